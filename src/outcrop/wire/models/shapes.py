"""The words of a service model: shapes, members, operations. One object for each shape, linked by members.

A member carries what its reference says about the wire (location, name, format); a shape carries what its type says.
Where both may say something, the reference wins, and the member holds the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["structure", "list", "map", "string", "integer", "float", "boolean", "timestamp", "blob"]
Location = Literal["", "uri", "querystring", "header", "headers", "statusCode"]

_KINDS: dict[str, Kind] = {
    "structure": "structure",
    "list": "list",
    "map": "map",
    "string": "string",
    "character": "string",
    "byte": "integer",
    "short": "integer",
    "integer": "integer",
    "long": "integer",
    "bigInteger": "integer",
    "float": "float",
    "double": "float",
    "bigDecimal": "float",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "blob": "blob",
}


@dataclass(slots=True, eq=False)
class Shape:
    name: str
    kind: Kind
    type: str
    """The model's own type name, finer than `kind`: `long`, `double`."""
    members: dict[str, Member] = field(default_factory=dict)
    """Of a structure, by the model's names."""
    required: tuple[str, ...] = ()
    payload: str = ""
    """The member that is the whole HTTP body; empty if none is."""
    union: bool = False
    document: bool = False
    eventstream: bool = False
    sensitive: bool = False
    exception: bool = False
    status: int = 0
    """HTTP status of an exception, 0 if the model doesn't say."""
    error_code: str = ""
    """An exception's code in the query protocol, where it isn't the shape's name."""
    fault: Literal["Sender", "Receiver"] = "Sender"
    minimum: float | None = None
    maximum: float | None = None
    pattern: str = ""
    enum: tuple[str, ...] = ()
    _element: Member | None = None
    _key: Member | None = None
    _value: Member | None = None
    wire_name: str = ""
    """The XML element name that the type itself asks for."""
    by_wire: dict[str, Member] = field(default_factory=dict)
    """Members in the body, by their names on the wire."""
    bound: tuple[Member, ...] = ()
    """Members outside the body: in path, query, headers or status."""

    @property
    def element(self) -> Member:
        """Of a list."""
        assert self._element is not None
        return self._element

    @property
    def key(self) -> Member:
        """Of a map."""
        assert self._key is not None
        return self._key

    @property
    def value(self) -> Member:
        """Of a map."""
        assert self._value is not None
        return self._value

    @property
    def stream_member(self) -> Member | None:
        """The event stream that is this structure's body, if one is."""
        return next((m for m in self.members.values() if m.shape.eventstream), None)


@dataclass(slots=True, eq=False)
class Member:
    name: str
    """The model's name: the key in handlers' dicts."""
    shape: Shape
    wire: str
    """The name on the wire."""
    named: bool
    """Whether the reference itself names it."""
    location: Location = ""
    timestamp: str = ""
    """`iso8601`, `unixTimestamp`, `rfc822`, or empty for the protocol's default."""
    flattened: bool = False
    streaming: bool = False
    attribute: bool = False
    namespace: Mapping[str, str] | None = None
    json_value: bool = False
    event_payload: bool = False
    event_header: bool = False
    idempotency_token: bool = False
    host_label: bool = False


@dataclass(slots=True, eq=False)
class Operation:
    name: str
    """The model's name, `PutObject`."""
    method: str
    uri: str
    status: int
    input: Shape | None
    output: Shape | None
    input_root: Mapping[str, Any]
    """What the operation says about the input's XML root: `locationName`, `xmlNamespace`."""
    result_wrapper: str
    errors: tuple[Shape, ...]
    unsigned: bool
    """Whether clients send it without a signature: the caller has no key yet."""

    @property
    def streams_in(self) -> bool:
        """Whether the request body is handed on as a stream instead of being read first."""
        if self.input is None or not self.input.payload:
            return False
        member = self.input.members[self.input.payload]
        return member.streaming or member.shape.eventstream


class Model:
    """One service's model, from the parsed JSON of its `service-2.json`. Shapes are built as operations need them."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.metadata: Mapping[str, Any] = data["metadata"]
        self._operations: Mapping[str, Any] = data["operations"]
        self._shapes: Mapping[str, Any] = data["shapes"]
        self._built: dict[str, Shape] = {}
        self._ready: dict[str, Operation] = {}
        self._by_error_code: dict[str, str] = {
            spec.get("error", {}).get("code", name): name
            for name, spec in self._shapes.items()
            if spec.get("exception") or "error" in spec
        }

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("xmlNamespace", ""))

    @property
    def query_compatible(self) -> bool:
        return "awsQueryCompatible" in self.metadata

    def operation(self, name: str) -> Operation:
        """The operation of that name. Raises `KeyError` for a stranger."""
        found = self._ready.get(name)
        if found is None:
            found = self._ready[name] = self._build_operation(name, self._operations[name])
        return found

    def error(self, code: str) -> Shape | None:
        """The exception that a code means: the shape of that name, or the one whose query code it is."""
        spec = self._shapes.get(code)
        if spec is not None and (spec.get("exception") or "error" in spec):
            return self.shape(code)
        name = self._by_error_code.get(code)
        return None if name is None else self.shape(name)

    def shape(self, name: str) -> Shape:
        found = self._built.get(name)
        return found if found is not None else self._build_shape(name)

    def _build_operation(self, name: str, spec: Mapping[str, Any]) -> Operation:
        http = spec["http"]
        given, returned = spec.get("input"), spec.get("output")
        return Operation(
            name=name,
            method=http["method"],
            uri=http["requestUri"],
            status=int(http.get("responseCode", 200)),
            input=self.shape(given["shape"]) if given else None,
            output=self.shape(returned["shape"]) if returned else None,
            input_root=given or {},
            result_wrapper=(returned or {}).get("resultWrapper", ""),
            errors=tuple(self.shape(error["shape"]) for error in spec.get("errors", ())),
            unsigned=spec.get("authtype") == "none" or "smithy.api#noAuth" in spec.get("auth", ()),
        )

    def _build_shape(self, name: str) -> Shape:
        spec = self._shapes[name]
        error = spec.get("error", {})
        sender = error.get("senderFault", not spec.get("fault", False) and int(error.get("httpStatusCode", 400)) < 500)
        shape = Shape(
            name=name,
            kind=_KINDS[spec["type"]],
            type=spec["type"],
            required=tuple(spec.get("required", ())),
            payload=spec.get("payload", ""),
            union=bool(spec.get("union")),
            document=bool(spec.get("document")),
            eventstream=bool(spec.get("eventstream")),
            sensitive=bool(spec.get("sensitive")),
            exception=bool(spec.get("exception")),
            status=int(error.get("httpStatusCode", 0)),
            error_code=error.get("code", ""),
            fault="Sender" if sender else "Receiver",
            minimum=spec.get("min"),
            maximum=spec.get("max"),
            pattern=spec.get("pattern", ""),
            enum=tuple(spec.get("enum", ())),
            wire_name=spec.get("locationName", ""),
        )
        self._built[name] = shape  # before its members: shapes may contain themselves
        for member, reference in spec.get("members", {}).items():
            shape.members[member] = self._build_member(member, reference, member)
        if shape.kind == "list":
            shape._element = self._build_member("member", spec["member"], "member")
        if shape.kind == "map":
            shape._key = self._build_member("key", spec["key"], "key")
            shape._value = self._build_member("value", spec["value"], "value")
        shape.by_wire = {m.wire: m for m in shape.members.values() if not m.location}
        shape.bound = tuple(m for m in shape.members.values() if m.location)
        return shape

    def _build_member(self, name: str, reference: Mapping[str, Any], default: str) -> Member:
        target = self._shapes[reference["shape"]]
        structure = target["type"] == "structure"  # its name is for the root of a document, not for members

        def either(trait: str) -> Any:
            return reference.get(trait, target.get(trait))

        return Member(
            name=name,
            shape=self.shape(reference["shape"]),
            wire=reference.get("locationName") or (not structure and target.get("locationName")) or default,
            named="locationName" in reference or (not structure and "locationName" in target),
            location=either("location") or "",
            timestamp=either("timestampFormat") or "",
            flattened=bool(either("flattened")),
            streaming=bool(either("streaming")),
            attribute=bool(reference.get("xmlAttribute")),
            namespace=_namespace(either("xmlNamespace")),
            json_value=bool(reference.get("jsonvalue")),
            event_payload=bool(reference.get("eventpayload")),
            event_header=bool(reference.get("eventheader")),
            idempotency_token=bool(reference.get("idempotencyToken")),
            host_label=bool(reference.get("hostLabel")),
        )


def _namespace(trait: Any) -> Mapping[str, str] | None:
    return {"uri": trait} if isinstance(trait, str) else trait
