"""Every setting, in one frozen dataclass: read once, passed down. The only reader of `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path


def _default_data() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "outcrop"


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outcrop"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a stack runs. Each field is also an environment variable: `OUTCROP_` + its name in capitals."""

    host: str = "127.0.0.1"
    """Address to bind. Loopback by default: the stack trusts whoever reaches it with the default keys."""
    port: int = 4566
    """TCP port; 0 takes a free one."""
    data: Path = field(default_factory=_default_data)
    """Directory of all state."""
    cache: Path = field(default_factory=_default_cache)
    """Directory of what can be fetched or built again: model weights, graphs."""
    strict: bool = False
    """True: AWS's behaviour even where it hurts. False: the helpful answer, in additional fields or headers."""
    region: str = "us-east-1"
    """Region of requests that name none."""
    account: str = "000000000000"
    """Account of the default development credentials."""
    llm: tuple[str, ...] = ()
    """What serves text models: `URL#MODEL` of an OpenAI-compatible endpoint, or `PATTERN=URL#MODEL` to serve the model
    ids that match a pattern such as `anthropic.*`. Several are separated by commas in the environment variable."""
    models: Path | None = None
    """File that maps model ids to engines; `models.toml` in the data directory unless set."""
    record: Path | None = None
    """File that what engines answer is appended to, to be replayed later."""
    replay: Path | None = None
    """File of recorded answers: the models in it are served from it, without their engines."""
    prices: Path | None = None
    """File of prices of one's own, which go before the package's list prices."""
    throttle: tuple[str, ...] = ()
    """`PATTERN=REQUESTS/TOKENS`: how many of each models that match take by the minute. The first match counts."""
    llm_api_key: str = ""
    """Bearer key for those endpoints, if they want one."""
    embedder: str = "all-MiniLM-L6-v2"
    """The local embedding model."""
    embedding_precision: str = "int8"
    """`int8` or `fp32` for the local embedding model."""
    model_memory: float = 16.0
    """The most memory, in gibibytes of addresses, that a process may use that runs or trains local weights."""
    training_hours: float = 24.0
    """How long one customization job may train."""
    answer_threshold: float = 0.3
    """How relevant the best passage must be (cosine, 0 to 1) before the built-in answerer answers from it."""
    auto_sync: bool = False
    """Sync knowledge bases when their buckets change. The tag `outcrop:auto-sync` of a knowledge base goes before."""
    postgres: str = ""
    """`postgresql://USER:PASSWORD@HOST:PORT`, a server with pgvector: where knowledge bases with storage RDS live."""
    ray: str = ""
    """Ray cluster on whose machines documents are parsed, cut and embedded: `local`, or its address. Empty: here."""
    page_number_base: int = 1
    """What the first page of a PDF is called in `x-amz-bedrock-kb-document-page-number`."""
    function_sandbox: str = "auto"
    """What functions run in: `bubblewrap`, `none`, or `auto` for bubblewrap where it works."""
    nearest_runtime: bool = True
    """Whether a function runs on the nearest Python or Node.js where the one that its runtime names isn't installed;
    never in strict mode."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""

    @property
    def model_map(self) -> Path:
        """Where `models` says, or else in the data directory."""
        return self.models or self.data / "models.toml"

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
        """Defaults, then the environment, then `overrides` that are not None (the command line).

        Raises `ValueError` naming the variable whose value can't be read.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {}
        for spec in fields(cls):
            name = f"OUTCROP_{spec.name.upper()}"
            if name in environ:
                values[spec.name] = _parse(name, str(spec.type), environ[name])
            if overrides.get(spec.name) is not None:
                values[spec.name] = overrides[spec.name]
        return cls(**values)  # type: ignore[arg-type]


def _parse(name: str, kind: str, text: str) -> object:
    try:
        if kind == "bool":
            if text.lower() not in ("0", "1", "true", "false", "yes", "no", ""):
                raise ValueError("expected true or false")
            return text.lower() in ("1", "true", "yes")
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind.startswith("Path"):
            return Path(text).expanduser()
        if kind.startswith("tuple"):
            return tuple(part.strip() for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"{name}={text!r}: {error}") from None
    return text


def child_environment(*names: str) -> dict[str, str]:
    """The named variables of this process's environment that are set, for a child that starts with a clean one."""
    return {name: os.environ[name] for name in names if name in os.environ}
