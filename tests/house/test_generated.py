"""What is generated regenerates without a difference. If one of these fails: `make types`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parent.parent.parent / "tools"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_routes():
    routes = tool("generate_routes")
    assert routes.TARGET.read_text() == routes.generate(), "the models have changed: make types"


@pytest.mark.parametrize("folder", tool("generate_types").FOLDERS)
def test_types(folder):
    types = tool("generate_types")
    assert (types.SERVICES / folder / "types.py").read_text() == types.generate(folder), "make types"


def test_coverage():
    coverage = tool("generate_coverage")
    assert coverage.TARGET.read_text() == coverage.generate(), "make types"
