"""What a template is made of once it has been read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class TemplateError(ValueError):
    """The template can't be read or run; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Quoted:
    """A double-quoted string with references in it."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Range:
    first: Expression
    last: Expression


@dataclass(frozen=True, slots=True)
class MapOf:
    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Operation:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Property:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Index:
    at: Expression


@dataclass(frozen=True, slots=True)
class Reference:
    name: str
    steps: tuple[Property | Call | Index, ...]
    quiet: bool
    source: str
    """As it is written."""


Expression = Literal | Quoted | ListOf | Range | MapOf | Not | Operation | Reference


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Assign:
    target: Reference
    value: Expression


@dataclass(frozen=True, slots=True)
class Choose:
    branches: tuple[tuple[Expression | None, tuple[Node, ...]], ...]
    """Conditions with what follows from them; None is the `#else`."""


@dataclass(frozen=True, slots=True)
class Loop:
    variable: str
    items: Expression
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    name: str
    parameters: tuple[str, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Define:
    name: str
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A macro's use, or text if there is none of the name."""

    name: str
    arguments: tuple[Expression, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Evaluate:
    text: Expression


@dataclass(frozen=True, slots=True)
class Leave:
    """`#break` leaves a loop, `#stop` the template."""

    what: str


Node = Text | Reference | Assign | Choose | Loop | Macro | Define | Use | Evaluate | Leave
