import asyncio
import importlib.util
import shutil

import pytest

pytest_plugins = ["outcrop.testing.fixtures"]


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory):
    """A cache directory with `tiny-course` in it, trained for a moment only. Skips without the extra `training`."""
    from outcrop.engines.inference.transformers.engine import MISSING, installed
    from outcrop.engines.tuning.bases import Bases, course
    from outcrop.engines.tuning.tiny import Recipe

    if not installed():
        pytest.skip(MISSING)
    cache = tmp_path_factory.mktemp("tiny")
    text = tmp_path_factory.mktemp("text")
    shutil.copy(course() / "10-glossary.md", text)
    asyncio.run(Bases(cache, Recipe(steps=200, batch=4, length=48)).build(text))
    return cache


def pytest_collection_modifyitems(items):
    missing = [name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"needs {', '.join(missing)}: make test-training installs them"
        for item in items:
            if item.get_closest_marker("training"):
                item.add_marker(pytest.mark.skip(reason=reason))
