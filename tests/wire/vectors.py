"""botocore's own protocol cases, from the source distribution of the installed version: cached, never committed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

CACHE = Path(__file__).parent.parent.parent / ".cache"
MEMBERS = ("/tests/unit/protocols/", "/tests/unit/auth/aws4_testsuite/")


def folder() -> Path:
    """`tests/unit` of botocore's sources. Without network and cache the tests are skipped, except in CI."""
    version = importlib.metadata.version("botocore")
    target = CACHE / f"botocore-{version}"
    if not target.exists():
        try:
            _fetch(version, target)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, LookupError) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(
                f"botocore {version}'s test cases aren't in {CACHE.name}/ and can't be downloaded: {error}",
                allow_module_level=True,
            )
    return target / "tests/unit"


def _fetch(version: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_made(CACHE)) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--no-binary", "botocore", "--dest", scratch, f"botocore=={version}"]
        subprocess.run(command, check=True, capture_output=True, timeout=100)
        with tarfile.open(next(Path(scratch).glob("botocore-*.tar.gz"))) as archive:
            for member in archive.getmembers():
                if member.isfile() and any(part in member.name for part in MEMBERS):
                    archive.extract(member, Path(scratch) / "sources", filter="data")
        shutil.move(next((Path(scratch) / "sources").iterdir()), target)


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def cases(direction: str, protocols: tuple[str, ...]) -> list[tuple[str, dict, dict]]:
    """`(id, suite, case)` of all cases of a direction (`input` or `output`)."""
    found = []
    for path in sorted(folder().glob(f"protocols/**/{direction}/*.json")):
        age = "legacy-" if "legacy" in path.parts else ""
        if not path.stem.startswith(protocols):
            continue
        for number, suite in enumerate(json.loads(path.read_text())):
            for index, case in enumerate(suite["cases"]):
                name = case.get("id") or f"{suite['description']}-{number}:{index}"
                found.append((f"{age}{path.stem}:{name}", suite, case))
    return found
