"""What of a conversation a guardrail judges: its guarded blocks, or all its text where none is marked.

In InvokeModel's bodies marks are tags within the text, `<amazon-bedrock-guardrails-guardContent_SUFFIX>`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_GUARDED = ("guard_content",)


class Prompt:
    """A request in Converse's form."""

    def __init__(self, request: Mapping[str, Any], tag_suffix: str = "") -> None:
        self._request = request
        self._tag = _tag(tag_suffix) if tag_suffix else None
        texts = list(_texts(request))
        self._marked = any(qualifiers is not None for _, _, qualifiers in texts)
        self._tagged = self._tag is not None and any(self._tag.search(holder[name]) for holder, name, _ in texts)
        self.texts = tuple(piece for holder, name, told in texts for piece in self._pieces(holder[name], told))
        self.grounding_source = _joined(texts, "grounding_source")
        self.query = _joined(texts, "query")
        self.total = sum(len(holder[name]) for holder, name, _ in texts)

    def rewritten(self, pieces: Sequence[str]) -> Mapping[str, Any]:
        """The request with these in place of `texts`, and without the tags."""
        if self._tag is None and tuple(pieces) == self.texts:
            return self._request
        following = iter(pieces)
        request = {**self._request}
        for part in ("messages", "system"):
            if part in request:
                request[part] = copy.deepcopy(list(request[part]))
        for holder, name, qualifiers in _texts(request):
            holder[name] = self._replaced(holder[name], qualifiers, following)
        return request

    def _pieces(self, text: str, qualifiers: Sequence[str] | None) -> list[str]:
        if self._tagged:
            return [found[1] for found in self._tag.finditer(text)] if self._tag else []
        return [text] if self._judges(qualifiers) else []

    def _replaced(self, text: str, qualifiers: Sequence[str] | None, following: Iterator[str]) -> str:
        if self._tagged:
            return self._tag.sub(lambda found: next(following), text) if self._tag else text
        return next(following) if self._judges(qualifiers) else text

    def _judges(self, qualifiers: Sequence[str] | None) -> bool:
        return "guard_content" in (qualifiers or ()) if self._marked else True


def _texts(request: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str, Sequence[str] | None]]:
    """(holder, key, qualifiers) of each text; the qualifiers are None where it is no guarded block. What the system
    prompt says is judged only where it is marked."""
    for block in request.get("system") or ():
        if "text" in block.get("guardContent", {}):
            inner = block["guardContent"]["text"]
            yield inner, "text", inner.get("qualifiers") or _GUARDED
    for message in request.get("messages") or ():
        for block in message["content"]:
            if isinstance(block.get("text"), str):
                yield block, "text", None
            elif "text" in block.get("guardContent", {}):
                inner = block["guardContent"]["text"]
                yield inner, "text", inner.get("qualifiers") or _GUARDED


def _joined(texts: Sequence[tuple[dict[str, Any], str, Sequence[str] | None]], qualifier: str) -> str:
    return "\n".join(holder[name] for holder, name, told in texts if qualifier in (told or ()))


def _tag(suffix: str) -> re.Pattern[str]:
    name = f"amazon-bedrock-guardrails-guardContent_{re.escape(suffix)}"
    return re.compile(f"<{name}>(.*?)</{name}>", re.DOTALL)
