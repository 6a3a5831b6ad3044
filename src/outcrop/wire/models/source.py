"""Finds and reads a service's model file in the installed botocore."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

from outcrop.wire.models.shapes import Model


def data_folder() -> Path:
    """botocore's `data` folder. Raises `RuntimeError` if botocore isn't installed."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("botocore is not installed: Outcrop reads the AWS service models from its data folder")
    return Path(spec.submodule_search_locations[0]) / "data"


def read(service: str, version: str) -> dict[str, Any]:
    """The parsed model with its extras merged in, as botocore itself would see it. Documentation is left out."""
    folder = data_folder() / service / version
    model = _load(folder / "service-2.json")
    extras = folder / "service-2.sdk-extras.json"
    if extras.exists() or extras.with_name(extras.name + ".gz").exists():
        _merge(model, _load(extras).get("merge", {}))
    for operation in model["operations"].values():
        operation.pop("documentation", None)
    for shape in model["shapes"].values():
        shape.pop("documentation", None)
        for member in shape.get("members", {}).values():
            member.pop("documentation", None)
    return model


def load(service: str, version: str) -> Model:
    return Model(read(service, version))


def _load(path: Path) -> dict[str, Any]:
    packed = path.with_name(path.name + ".gz")
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    parsed: dict[str, Any] = json.loads(content)
    return parsed


def _merge(base: dict[str, Any], extra: dict[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
