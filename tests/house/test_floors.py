"""Imports follow the floors, as ARCHITECTURE.md draws them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "outcrop"
FLOORS = {"storage": 0, "jobs": 0, "processes": 0, "settings": 0, "engines": 1, "services": 2, "wire": 3}
FREE = {"app", "cli", "commands", "evaluation", "__main__", "__init__", "testing"}
"""The composition root and what stands outside the house."""


def modules() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor_of(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SRC)))
def test_a_module_imports_only_its_own_floor_and_those_below(path: Path) -> None:
    here = path.relative_to(SRC).parts[0].removesuffix(".py")
    if here in FREE:
        return
    assert here in FLOORS, f"{here} is on no floor: add it to FLOORS and to ARCHITECTURE.md"
    for name in imports(path):
        if not name.startswith("outcrop."):
            continue
        there = floor_of(name)
        if there == "__version__":
            continue
        assert there in FLOORS, f"{path.relative_to(ROOT)} imports {name}, which is on no floor"
        assert FLOORS[there] <= FLOORS[here], f"{path.relative_to(ROOT)} ({here}) imports {name} ({there}) from above"


@pytest.mark.parametrize("path", sorted((SRC / "services").rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_a_service_imports_no_other_service(path: Path) -> None:
    parts = path.relative_to(SRC / "services").parts
    if len(parts) == 1:
        return
    shared = {"changes", "contract", "surface", "hooks"}
    for name in imports(path):
        if name.startswith("outcrop.services."):
            there = name.split(".")[2]
            assert there in shared | {parts[0]}, f"{path.relative_to(ROOT)} imports {name}: use ctx.call"


@pytest.mark.parametrize("path", sorted((SRC / "services").rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_only_surfaces_know_http(path: Path) -> None:
    if path.name.endswith("surface.py") or path.parent == SRC / "services" or "surface" in path.parent.name:
        return
    for name in imports(path):
        if name.startswith("outcrop.services.surface."):
            assert path.name == "service.py", f"{path.relative_to(ROOT)} knows HTTP: move it to a surface.py"


def test_only_settings_read_the_environment() -> None:
    for path in modules():
        if path.name == "settings.py" or path.is_relative_to(SRC / "engines/functions/boot"):
            continue  # what lies in boot/ runs in a function's own process, whose environment is its input
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                owner = node.value
                assert not (isinstance(owner, ast.Name) and owner.id == "os"), (
                    f"{path.relative_to(ROOT)}:{node.lineno} reads the environment: ask settings.py"
                )


CLIENTS = {
    SRC / "services/bedrock/runtime/upstream.py",
    SRC / "commands/evaluation.py",
    SRC / "commands/stack.py",
    SRC / "evaluation/asking.py",
}
"""What asks AWS itself, or a running stack, as any client does."""


def test_only_wire_models_know_botocore() -> None:
    for path in modules():
        inside = path.is_relative_to(SRC / "wire" / "models") or path in CLIENTS
        for name in imports(path):
            if name.split(".")[0] == "botocore" and not inside:
                raise AssertionError(f"{path.relative_to(ROOT)} imports {name}: only wire/models may")


def test_engines_know_no_aws_words() -> None:
    for path in sorted((SRC / "engines").rglob("*.py")):
        assert "arn:aws" not in path.read_text(), f"{path.relative_to(ROOT)} knows an ARN"


def test_the_tutor_never_imports_outcrop() -> None:
    for path in (ROOT / "apps").rglob("*.py"):
        assert not any(name.split(".")[0] == "outcrop" for name in imports(path)), path
