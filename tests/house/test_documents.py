"""Documents say what is there: settings, commands, services, paths."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields
from pathlib import Path

from outcrop.cli import _parser
from outcrop.settings import Settings

ROOT = Path(__file__).parents[2]


def headings(path: Path) -> set[str]:
    return {match.group(1).strip("` ") for match in re.finditer(r"^#+ (.+)$", path.read_text(), re.MULTILINE)}


def commands(parser: argparse.ArgumentParser, prefix: str = "outcrop") -> set[str]:
    found = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                deeper = commands(child, f"{prefix} {name}")
                found |= deeper or {f"{prefix} {name}"}
    return found


def test_every_setting_has_its_heading() -> None:
    documented = headings(ROOT / "docs/reference/settings.md")
    assert {f"OUTCROP_{spec.name.upper()}" for spec in fields(Settings)} <= documented


def test_every_command_has_its_heading() -> None:
    assert commands(_parser()) <= headings(ROOT / "docs/reference/cli.md")


def test_every_path_that_the_guides_name_exists() -> None:
    for guide in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"):
        for name in re.findall(r"`([\w./-]+/[\w./-]*)`", (ROOT / guide).read_text()):
            if "<" in name or name.startswith(("/", "~", ".venv", "build/", "dist/")):
                continue
            candidates = (ROOT / name, ROOT / "src/outcrop" / name)
            assert any(path.exists() for path in candidates), f"{guide} names {name}, which doesn't exist"


def test_every_service_has_its_page() -> None:
    documented = headings(ROOT / "docs/reference/services.md")
    folders = {path.name for path in (ROOT / "src/outcrop/services").iterdir() if (path / "service.py").exists()}
    assert folders <= documented, f"docs/reference/services.md lacks {folders - documented}"


def test_no_committed_file_names_this_machine() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]:
        text = path.read_text()
        assert "/work/" not in text, path
        assert "files.pythonhosted" not in text, path
