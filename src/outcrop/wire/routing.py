"""Which service and which operation a request means.

The service: by `X-Amz-Target`, by the path of rpc-v2-cbor, by the signature's scope, by a form's `Action` and
`Version`, by the path among all that have paths, and at last by who claims what is left. The operation of a rest
service: by method and raw path among the candidates, because four Bedrock APIs share one signing name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from outcrop.wire.binding import Bound
from outcrop.wire.models.routes import Entry
from outcrop.wire.protocols.base import WireProtocol

_CBOR_PATH = re.compile(r"/service/([^/]+)/operation/([^/]+)/?$")


@dataclass(frozen=True, slots=True)
class Found:
    """A request's service, protocol and operation; `entry` is None if the service has no such operation, and
    `asked` is then what it asked for."""

    bound: Bound
    protocol: WireProtocol
    entry: Entry | None
    asked: str
    labels: Mapping[str, str]


@dataclass(slots=True)
class Asked:
    """What routing looks at."""

    method: str
    raw_path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    signing: str
    """The service named in the signature's scope; empty if there is none."""
    form: Sequence[tuple[str, str]] = ()
    """The body's fields, if it is a form."""
    names: frozenset[str] = frozenset()
    """Of the query's parameters."""


@dataclass(frozen=True, slots=True)
class Path:
    """A raw path taken apart."""

    pieces: Sequence[str]
    """Without a slash at the end."""
    exact: Sequence[str]
    """With it, as an empty last piece."""
    slash: bool

    @classmethod
    def read(cls, raw: str) -> Path:
        if raw in ("", "/"):
            return cls([], [], True)
        exact = raw[1:].split("/")
        slash = raw.endswith("/")
        return cls(exact[:-1] if slash else exact, exact, slash)


@dataclass(frozen=True, slots=True)
class Template:
    """A model's `requestUri` taken apart."""

    segments: tuple[str, ...]
    """Literals as they are; labels as empty strings."""
    labels: tuple[str, ...]
    """Names by position; empty for literals."""
    greedy: bool
    """Whether the last label takes all that is left."""
    slash: bool
    literals: tuple[tuple[str, str | None], ...]
    """Query parameters that the path itself demands."""

    @classmethod
    def read(cls, uri: str) -> Template:
        text, _, query = uri.partition("?")
        path = Path.read(text)
        labels = tuple(piece.strip("{}+") if piece.startswith("{") else "" for piece in path.pieces)
        segments = tuple("" if piece.startswith("{") else piece for piece in path.pieces)
        literals = tuple(_literal(item) for item in query.split("&") if item)
        return cls(segments, labels, text.endswith("+}"), path.slash, literals)

    def match(self, path: Path) -> dict[str, str] | None:
        """The labels, percent-encoded, or None."""
        pieces = path.exact if self.greedy else path.pieces
        count = len(self.segments)
        if len(pieces) != count and not (self.greedy and len(pieces) >= count):
            return None
        found: dict[str, str] = {}
        for index, literal in enumerate(self.segments):
            piece = pieces[index]
            if self.greedy and index == count - 1:
                piece = "/".join(pieces[index:])
            if literal:
                if piece != literal and unquote(piece) != literal:
                    return None
            elif not piece:
                return None
            else:
                found[self.labels[index]] = piece
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation of a rest service."""

    bound: Bound
    entry: Entry
    template: Template

    def rank(self, asked: Asked, slash: bool) -> tuple[object, ...] | None:
        """How well the rest of the request fits, best first by comparison; None if it doesn't."""
        score = 0
        for name, value in self.template.literals:
            if name not in asked.names:
                return None
            if value is not None and (name, value) not in asked.query:
                return None
            score += 1
        needed = [name in asked.names for name in self.entry.query] + [n in asked.headers for n in self.entry.headers]
        score += len(needed) if all(needed) else -1
        named = ("x-id", self.entry.operation) in asked.query
        literal = tuple(bool(segment) for segment in self.template.segments)
        return (
            literal,
            not self.template.greedy,
            slash == self.template.slash,
            score,
            named,
            self.entry.name in self.bound.handlers,
        )


class Router:
    def __init__(self, services: Mapping[str, Bound]) -> None:
        self._services = services
        self._by_target: dict[str, Bound] = {}
        self._by_signing: dict[str, list[Bound]] = {}
        self._by_version: dict[str, list[Bound]] = {}
        self._tables: dict[str, dict[tuple[str, str], list[Route]]] = {}
        for bound in services.values():
            if bound.entry.target:
                self._by_target[bound.entry.target] = bound
            self._by_signing.setdefault(bound.entry.signing, []).append(bound)
            if "query" in bound.entry.protocols:
                self._by_version.setdefault(bound.entry.version, []).append(bound)
        self._unsigned = [
            bound for bound in services.values() if _is_rest(bound) and "rest-xml" not in bound.entry.protocols
        ]

    def candidates(self, asked: Asked) -> list[Bound]:
        """The services that the request's signature or headers allow; empty if they say nothing."""
        target, _, _ = asked.headers.get("x-amz-target", "").rpartition(".")
        if target in self._by_target:
            return [self._by_target[target]]
        if match := self._cbor(asked):
            return [match[0]]
        return list(self._by_signing.get(asked.signing, ()))

    def find(self, asked: Asked, candidates: Sequence[Bound], claimed: Bound | None) -> Found | None:
        """Service and operation. `claimed` takes what no candidate or path does."""
        if match := self._cbor(asked):
            return _rpc(match[0], "smithy-rpc-v2-cbor", match[1])
        target, _, name = asked.headers.get("x-amz-target", "").rpartition(".")
        if bound := self._by_target.get(target):
            return _rpc(bound, "json", name)
        if found := self._form(asked, candidates):
            return found
        rest = [bound for bound in candidates if _is_rest(bound)]
        if candidates and not rest:
            bound = candidates[0]
            return Found(bound, bound.default_protocol, None, "(no Action or X-Amz-Target)", {})
        found = self._path(asked, rest or self._unsigned)
        if found is None and claimed is not None and not candidates:
            found = self._path(asked, [claimed]) or _nothing(claimed, asked)
        if found is None and rest:
            return _nothing(rest[0], asked)
        return found

    def allows(self, asked: Asked) -> bool:
        """Whether some path of a JSON service takes this request: for preflights, which carry no signature."""
        return self._path(asked, self._unsigned) is not None or asked.raw_path == "/"

    def _cbor(self, asked: Asked) -> tuple[Bound, str] | None:
        if asked.headers.get("smithy-protocol") != "rpc-v2-cbor":
            return None
        match = _CBOR_PATH.search(asked.raw_path)
        bound = self._by_target.get(match[1]) if match else None
        return (bound, match[2]) if bound and match and "smithy-rpc-v2-cbor" in bound.entry.protocols else None

    def _form(self, asked: Asked, candidates: Sequence[Bound]) -> Found | None:
        fields = dict(reversed([*asked.query, *asked.form]))
        action = fields.get("Action")
        if not action:
            return None
        able = [bound for bound in candidates if "query" in bound.entry.protocols]
        if not candidates:
            able = self._by_version.get(fields.get("Version", ""), [])
        return _rpc(able[0], "query", action) if able else None

    def _table(self, bound: Bound) -> dict[tuple[str, str], list[Route]]:
        """Made when the service is first looked at."""
        if bound.name not in self._tables:
            self._tables[bound.name] = _table(bound)
        return self._tables[bound.name]

    def _path(self, asked: Asked, services: Iterable[Bound]) -> Found | None:
        path = Path.read(asked.raw_path)
        best: tuple[tuple[object, ...], Route, dict[str, str]] | None = None
        for bound in services:
            table = self._table(bound)
            first = path.pieces[0] if path.pieces else ""
            for key in dict.fromkeys(((asked.method, first), (asked.method, ""), (asked.method, unquote(first)))):
                for route in table.get(key, ()):
                    labels = route.template.match(path)
                    if labels is None:
                        continue
                    rank = route.rank(asked, path.slash)
                    if rank is not None and (best is None or rank > best[0]):
                        best = rank, route, labels
        if best is None:
            return None
        _, route, labels = best
        return Found(route.bound, route.bound.default_protocol, route.entry, route.entry.operation, labels)


def _is_rest(bound: Bound) -> bool:
    return "rest-json" in bound.entry.protocols or "rest-xml" in bound.entry.protocols


def _rpc(bound: Bound, protocol: str, operation: str) -> Found:
    return Found(bound, bound.protocols[protocol], bound.find(operation), operation, {})


def _nothing(bound: Bound, asked: Asked) -> Found:
    return Found(bound, bound.default_protocol, None, f"{asked.method} {asked.raw_path}", {})


def _table(bound: Bound) -> dict[tuple[str, str], list[Route]]:
    """Routes by method and first segment, which is empty where that is a label."""
    table: dict[tuple[str, str], list[Route]] = {}
    for entry in bound.entry.operations.values():
        template = Template.read(entry.uri)
        first = template.segments[0] if template.segments else ""
        table.setdefault((entry.method, first), []).append(Route(bound, entry, template))
    return table


def _literal(item: str) -> tuple[str, str | None]:
    name, equals, value = item.partition("=")
    return name, value if equals else None
