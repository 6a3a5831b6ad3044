"""One request on its way through the pipeline: what each step finds out, for the steps after it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.services.contract import Context, Credential
from outcrop.wire.auth.claims import Claim
from outcrop.wire.binding import Bound
from outcrop.wire.body import Inbox, Receive
from outcrop.wire.models.shapes import Operation
from outcrop.wire.protocols.base import Answer
from outcrop.wire.protocols.query import read_form
from outcrop.wire.routing import Found


@dataclass(eq=False)
class Exchange:
    """A request and, at the end, its answer. The first group is known from the start."""

    method: str
    raw_path: str
    """Percent-encoded, as it arrived."""
    raw_query: str
    header_list: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    """Names in lower case, repeated ones joined by commas. Once the body is unwrapped: as of a plain body."""
    sent_headers: Mapping[str, str]
    """As they arrived, whatever became of the body."""
    inbox: Inbox
    scheme: str = "http"
    source_ip: str = "127.0.0.1"
    request_id: str = ""
    query: Sequence[tuple[str, str]] = ()
    """Decoded."""

    path: str = ""
    """`place`: the path to route on, with S3's bucket in front."""
    claim: Claim | None = None
    """`place`: who the request says signed it."""
    candidates: Sequence[Bound] = ()
    """`place`: the services it may be for."""
    claimed: Bound | None = None
    """`place`: who takes it if no path fits."""
    body: bytes | None = None
    """`place` for forms, else `read_body`; None while unread, and for operations that stream in."""
    sent_body: bytes | None = None
    """As it was signed: perhaps compressed."""
    found: Found | None = None
    """`route`"""
    operation: Operation | None = None
    """`route`"""
    credential: Credential | None = None
    """`identify`; None for unsigned requests."""
    proven: bool = False
    """`identify` for S3, else `prove`: the signature checks."""
    stream: AsyncIterator[bytes] | None = None
    """`read_body`: what a streaming operation reads."""
    context: Context | None = None
    """`admit`"""
    request: Mapping[str, Any] = field(default_factory=dict)
    """`parse`"""
    answer: Answer | None = None
    """Any step may set it; the pipeline ends there."""
    started: bool = False
    """Whether the answer's first byte is on its way."""

    @classmethod
    def read(cls, scope: MutableMapping[str, Any], receive: Receive) -> Exchange:
        header_list = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        raw_query = scope["query_string"].decode("latin-1")
        client = scope.get("client")
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        headers = _joined(header_list)
        return cls(
            method=scope["method"],
            raw_path=raw_path,
            raw_query=raw_query,
            header_list=header_list,
            headers=headers,
            sent_headers=headers,
            inbox=Inbox(receive, empty="content-length" not in headers and "transfer-encoding" not in headers),
            scheme=scope.get("scheme", "http"),
            source_ip=client[0] if client else "127.0.0.1",
            request_id=str(uuid.uuid4()),
            query=read_form(raw_query.encode("latin-1")),
            path=raw_path,
        )

    @property
    def host(self) -> str:
        """Lower case, without the port."""
        host = self.headers.get("host", "").lower()
        name, colon, port = host.rpartition(":")
        return name if colon and (port.isdigit() or not port) else host

    @property
    def bound(self) -> Bound | None:
        if self.found is not None:
            return self.found.bound
        return self.candidates[0] if self.candidates else self.claimed

    @property
    def service_and_operation(self) -> str:
        """For logs: `s3.put_object`."""
        service = self.bound.name if self.bound else "?"
        entry = self.found.entry if self.found else None
        return f"{service}.{entry.name if entry else '?'}"


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
