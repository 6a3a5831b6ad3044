"""What no file of the project may hold."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "docs", "apps", "examples", "tools", "benchmarks", "quality")
KINDS = {".py", ".md", ".toml", ".json", ".mjs", ".java", ".html"}


def test_no_file_has_marks_of_a_merge() -> None:
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    files = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    marked = [
        str(path)
        for path in files
        if path.suffix in KINDS
        and any(line.startswith(marks) for line in path.read_text(errors="replace").splitlines())
    ]
    assert marked == []
