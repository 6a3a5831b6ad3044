"""Brings weights in Hugging Face's layout from a bucket to this machine, and looks at what they are."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock import objects

if TYPE_CHECKING:
    from outcrop.jobs import Job
    from outcrop.services.bedrock.records import Record
    from outcrop.services.contract import Deps

ARCHITECTURES = ("gpt_bigcode", "gpt_oss", "llama", "mistral", "mixtral", "qwen2", "qwen3")
"""`model_type` of what AWS imports and a text engine here can run."""
_FILE_BYTES = 200 << 30
_TAKEN = (".safetensors", ".json", ".txt", ".model", ".jinja")
_NEEDED = ("config.json", "tokenizer_config.json")


class ImportFault(Exception):
    """What lies in the bucket can't be imported; the text says why."""


async def bring(deps: Deps, record: Record, source: Mapping[str, Any], target: Path, job: Job) -> dict[str, Any]:
    """Copy the weights to the directory `target` as the role of `record`, load them once in a child process to know
    that they can be, and answer their architecture, context and whether they have a chat template. Leaves nothing
    behind when it fails. Raises ImportFault, ObjectError, EngineError."""
    try:
        shutil.rmtree(target, ignore_errors=True)
        await _fetch(deps, record, source["s3DataSource"]["s3Uri"].rstrip("/") + "/", target, job)
        return await _look(target, deps.settings.model_memory)
    except Exception:
        shutil.rmtree(target, ignore_errors=True)
        raise


async def _fetch(deps: Deps, record: Record, uri: str, target: Path, job: Job) -> None:
    context = objects.as_role(deps, record)
    bucket, prefix = objects.split(uri)
    keys = [key for key in await objects.list_keys(context, uri) if key.endswith(_TAKEN)]
    names = {key[len(prefix) :]: key for key in keys if "/" not in key[len(prefix) :]}
    missing = [name for name in _NEEDED if name not in names]
    if not any(name.endswith(".safetensors") for name in names):
        missing.append("*.safetensors")
    if missing:
        raise ImportFault(f"{uri} lacks {', '.join(missing)}. Weights must be in the Hugging Face layout.")
    for number, (name, key) in enumerate(sorted(names.items())):
        job.progress(stage="fetch", done=number, total=len(names), file=name)
        await objects.fetch(context, f"s3://{bucket}/{key}", target / name, _FILE_BYTES)


async def _look(weights: Path, memory: float) -> dict[str, Any]:
    from outcrop.engines.inference.transformers.engine import inspect

    try:
        architecture = json.loads(await asyncio.to_thread((weights / "config.json").read_text))["model_type"]
    except (ValueError, KeyError, TypeError):
        raise ImportFault("config.json is not JSON with a model_type.") from None
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ImportFault(f"The model architecture {architecture!r} is not supported. Supported are: {known}.")
    seen = await inspect(weights, memory)
    return {"architecture": architecture, "context": seen.context, "instruct": seen.is_instructed}
