"""The question set: a file of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    documents: tuple[str, ...] = ()
    """Keys (paths below the folder) or file names that hold the answer; empty if nothing is expected of retrieval."""
    pages: tuple[int, ...] = ()
    """Pages that hold the answer, each of them alone; empty if any page of the document is right."""
    answer: str = ""
    unanswerable: bool = False

    @property
    def judges_retrieval(self) -> bool:
        return bool(self.documents) and not self.unanswerable


def load(path: Path) -> list[Question]:
    """The questions in their order. Raises ValueError that names the line."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_question(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not found:
        raise ValueError(f"{path} holds no questions")
    return found


def _question(row: Any) -> Question:
    if not isinstance(row, Mapping):
        raise ValueError('a question is an object such as {"question": "…", "document": "…", "page": 3, "answer": "…"}')
    known = {"question", "document", "documents", "page", "pages", "answer", "unanswerable", "id"}
    if unknown := sorted(set(row) - known):
        raise ValueError(f"unknown member {unknown[0]!r}; known are {', '.join(sorted(known))}")
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`question` must be a text")
    answer, unanswerable = row.get("answer", ""), row.get("unanswerable", False)
    if not isinstance(answer, str) or not isinstance(unanswerable, bool):
        raise ValueError("`answer` must be a text and `unanswerable` true or false")
    documents, pages = _several(row, "document", str), _several(row, "page", int)
    if pages and not documents:
        raise ValueError("`page` without `document`")
    if unanswerable and (documents or answer):
        raise ValueError("an unanswerable question expects neither a document nor an answer")
    return Question(text.strip(), tuple(documents), tuple(pages), answer.strip(), unanswerable)


def _several(row: Mapping[str, Any], name: str, kind: type) -> Sequence[Any]:
    value = row.get(f"{name}s", row.get(name))
    values = [] if value is None else value if isinstance(value, list) else [value]
    if any(not isinstance(one, kind) or isinstance(one, bool) for one in values):
        raise ValueError(f"`{name}` must be {'a text' if kind is str else 'a whole number'} or a list of such")
    return values
