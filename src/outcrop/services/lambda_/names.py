"""Function names, as callers write them: `name`, `name:qualifier`, `000000000000:function:name`, whole ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from outcrop.services.contract import Context
from outcrop.services.lambda_.errors import InvalidParameterValueException, ResourceNotFoundException

LATEST = "$LATEST"
NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


@dataclass(frozen=True, slots=True)
class FunctionName:
    account: str
    region: str
    name: str
    qualifier: str = ""
    """A version, an alias, `$LATEST`, or empty where the caller gave none."""

    @property
    def arn(self) -> str:
        """The ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def qualified_arn(self) -> str:
        """The ARN with the qualifier, if there is one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def parse(ctx: Context, text: str, qualifier: str | None = None) -> FunctionName:
    """`qualifier` is the separate one of the request; a name may carry its own."""
    match = NAME.fullmatch(text)
    if match is None or len(match["name"]) > 64:
        raise InvalidParameterValueException(
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
            "Member must have length less than or equal to 64"
            if match
            else f"{text} isn't the name or the ARN of a function"
        )
    region = match["region"] or ctx.region
    if region != ctx.region:
        raise ResourceNotFoundException(f"Functions from '{region}' are not reachable in this region ('{ctx.region}')")
    own = match["qualifier"] or ""
    if own and qualifier and own != qualifier:
        raise InvalidParameterValueException(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionName(match["account"] or ctx.account, region, match["name"], own or qualifier or "")
