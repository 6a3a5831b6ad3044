"""A pytest plug-in: `outcrop_stack`, one stack for the whole test session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outcrop.testing.stack import StackProcess


@pytest.fixture(scope="session")
def outcrop_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """A running stack with empty state."""
    with StackProcess(tmp_path_factory.mktemp("outcrop")) as stack:
        yield stack
