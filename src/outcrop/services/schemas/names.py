"""Names and ARNs of registries and schemas, and pages of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from outcrop.services.contract import Context, Request
from outcrop.services.schemas.errors import BadRequestException, ForbiddenException

_REGISTRY = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_SCHEMA = re.compile(r"[.\-_A-Za-z0-9@]{1,385}")
_ARN = re.compile(r"arn:aws:schemas:([a-z0-9-]+):(\d{12}):(registry|schema)/([^/]+)(?:/([^/]+))?")
_MAX_PAGE = 100

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Place:
    """A registry, or a schema in it."""

    account: str
    region: str
    registry: str
    schema: str = ""

    @property
    def arn(self) -> str:
        kind, tail = ("schema", f"{self.registry}/{self.schema}") if self.schema else ("registry", self.registry)
        return f"arn:aws:schemas:{self.region}:{self.account}:{kind}/{tail}"


def registry_place(ctx: Context, request: Request) -> Place:
    """Raises BadRequestException."""
    name = request["RegistryName"]
    if not _REGISTRY.fullmatch(name):
        raise BadRequestException(
            f"Invalid registry name {name!r}: 1 to 64 characters, each a letter, a digit or one of . - _"
        )
    return Place(ctx.account, ctx.region, name)


def schema_place(ctx: Context, request: Request) -> Place:
    """Raises BadRequestException."""
    name = request["SchemaName"]
    if not _SCHEMA.fullmatch(name):
        raise BadRequestException(
            f"Invalid schema name {name!r}: 1 to 385 characters, each a letter, a digit or one of . - _ @"
        )
    return Place(ctx.account, ctx.region, registry_place(ctx, request).registry, name)


def writable(place: Place) -> Place:
    """Raises ForbiddenException for the registries that are AWS's own."""
    if place.registry.startswith("aws."):
        raise ForbiddenException(f"The registry {place.registry} belongs to AWS and can't be changed")
    return place


def parse_arn(arn: str) -> Place:
    """Raises BadRequestException."""
    found = _ARN.fullmatch(arn)
    if found is None or (found[3] == "schema") != bool(found[5]):
        raise BadRequestException(f"{arn!r} is no ARN of a registry or a schema")
    return Place(found[2], found[1], found[4], found[5] or "")


def page(
    request: Request, fetch: Callable[[str, int], Sequence[Item]], key: Callable[[Item], str]
) -> tuple[Sequence[Item], dict[str, str]]:
    """(the items that `Limit` and `NextToken` ask for, the answer's `NextToken` if more follow); `fetch` takes the key
    after which to begin and how many. Raises BadRequestException."""
    limit = request.get("Limit", _MAX_PAGE)
    if not 1 <= limit <= _MAX_PAGE:
        raise BadRequestException(f"Limit must be between 1 and {_MAX_PAGE}")
    after = ""
    if token := request.get("NextToken"):
        try:
            after = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
        except ValueError:
            raise BadRequestException("The pagination token is invalid") from None
    items = fetch(after, limit + 1)
    if len(items) <= limit:
        return items, {}
    return items[:limit], {"NextToken": base64.urlsafe_b64encode(key(items[limit - 1]).encode()).decode()}
