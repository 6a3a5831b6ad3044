"""Sorted postings in a file, so that a start need not sort them again. The file is only a copy: where it is missing,
damaged or old, the bags tell the same."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outcrop.engines.indexing.postings import Postings

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger(__name__)


def write(path: Path, version: int, slots: NDArray[np.int64], postings: Postings) -> None:
    """Replace the file at once. That it can't be written is no failure of the index."""
    temporary = path.with_suffix(".new")
    try:
        with temporary.open("wb") as file:
            members: dict[str, Any] = {"version": np.array(version), "slots": slots, **postings.arrays}
            np.savez(file, **members)
        os.replace(temporary, path)
    except OSError as error:
        log.warning("%s could not be written: %s", path, error)
        temporary.unlink(missing_ok=True)


def read(path: Path, version: int) -> tuple[NDArray[np.int64], Postings] | None:
    """The slots of the rows, and the rows' postings; None if there is nothing of this version to read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            if int(stored["version"]) != version:
                return None
            arrays = {name: stored[name] for name in stored.files}
            slots, postings = arrays["slots"].astype(np.int64), Postings.of_arrays(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return (slots, postings) if len(slots) == postings.size else None
