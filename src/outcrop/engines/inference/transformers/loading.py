"""Loads weights: a directory in Hugging Face's layout, or an adapter that names its base. Runs in child processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BASE = "base.json"
"""Beside an adapter: {"base": DIRECTORY}, which may be an adapter itself."""
ADAPTER = "adapter_config.json"


class WeightsError(Exception):
    """Weights that can't be loaded; the text says why."""


def is_adapter(directory: Path) -> bool:
    return (directory / ADAPTER).exists()


def base_of(directory: Path) -> Path:
    """The directory that an adapter was trained on."""
    return Path(json.loads((directory / BASE).read_text())["base"])


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load(directory: Path, *, training: bool = False) -> tuple[Any, Any]:
    """The model and its tokenizer, adapters merged in, on the best device. Raises WeightsError."""
    _hush()
    try:
        model = _load_model(directory, training)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(f"The weights in {directory} can't be loaded: {error}") from error
    return model.to(device()).eval(), load_tokenizer(directory)


def _hush() -> None:
    """Bars and advice are for a terminal, not for the server's log."""
    import warnings

    from transformers.utils import logging

    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def load_tokenizer(directory: Path) -> Any:
    """Raises WeightsError."""
    from transformers import AutoTokenizer

    while is_adapter(directory):
        directory = base_of(directory)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except Exception as error:
        raise WeightsError(f"The tokenizer in {directory} can't be loaded: {error}") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_model(directory: Path, training: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    if not directory.is_dir():
        raise WeightsError(f"There are no weights at {directory}.")
    if is_adapter(directory):
        from peft import PeftModel

        return PeftModel.from_pretrained(_load_model(base_of(directory), training), directory).merge_and_unload()
    dtype = torch.bfloat16 if device() == "cuda" and not training else torch.float32
    return AutoModelForCausalLM.from_pretrained(
        directory, local_files_only=True, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )


def context_length(model: Any) -> int:
    """The most tokens that prompt and answer may have together."""
    return int(getattr(model.config, "max_position_embeddings", 0) or getattr(model.config, "n_positions", 0) or 2048)
