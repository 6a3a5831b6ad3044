"""What a family of models knows: its bodies, in both directions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from outcrop.engines.inference.engine import Event, Finish, Origin
    from outcrop.services.bedrock.catalogue import FoundationModel
    from outcrop.services.bedrock.runtime.runs import Completion

Body = dict[str, Any]


class Chunks(Protocol):
    """Writes the chunks of one streamed answer."""

    def start(self, input_tokens: int) -> Iterable[Body]:
        """Before the first event."""
        ...

    def event(self, event: Event) -> Iterable[Body]:
        """For each event but the last."""
        ...

    def finish(self, finish: Finish) -> Iterable[Body]:
        """For the last event; at least one chunk, to which the invocation metrics are added."""
        ...


class Family(Protocol):
    def read(self, body: Body, model: FoundationModel) -> Mapping[str, Any]:
        """The request in Converse's form. Raises ValidationException where the body is not the family's."""
        ...

    def write(self, completion: Completion, model: FoundationModel, body: Body) -> Body:
        """The answer's body; `body` is the request's, empty where it came through Converse."""
        ...

    def chunks(self, model: FoundationModel, origin: Origin) -> Chunks: ...


def user(text: str) -> dict[str, Any]:
    """A message in Converse's form."""
    return {"role": "user", "content": [{"text": text}]}


def inference(body: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """An inferenceConfig: Converse's names to the body's, those left out that the body lacks."""
    return {name: body[given] for name, given in names.items() if body.get(given) is not None}


def identifier(origin: Origin, of: str) -> str:
    """A UUID of an answer's own, the same for each replay."""
    return str(uuid.uuid5(uuid.UUID(origin.id), of))
