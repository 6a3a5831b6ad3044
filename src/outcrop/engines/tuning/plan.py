"""What one training is to do."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

CHECKPOINT = "checkpoint.pt"
ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Plan:
    base: str
    """Directory of the weights to start from, which may be an adapter."""
    work: str
    """Directory of this training alone: its checkpoint, and at the end the `adapter`."""
    train: str
    """File of examples, as `examples.read` takes them."""
    validations: tuple[str, ...] = ()
    epochs: int = 1
    batch: int = 1
    rate: float = 1e-5
    """Learning rate."""
    warmup: int = 0
    """Steps until the learning rate is reached."""
    patience: int | None = None
    """Stop when the validation loss has not improved by `threshold` for so many epochs; None: never."""
    threshold: float = 0.0
    context: int = 0
    """The most tokens of an example; 0: as many as the model reads."""
    seed: int = 0
    checkpoint_steps: int = 50

    def dumps(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def loads(cls, text: bytes) -> Plan:
        values = json.loads(text)
        return cls(**{**values, "validations": tuple(values.get("validations", ()))})
