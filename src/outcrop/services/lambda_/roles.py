"""The credentials that functions run with: those of their roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from outcrop.services.contract import Context, Principal, ServiceError
from outcrop.services.lambda_.errors import InvalidParameterValueException
from outcrop.services.lambda_.store import Version

LAMBDA = Principal("lambda.amazonaws.com", "lambda.amazonaws.com", kind="service")
DEVELOPMENT = "test"
RENEW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Keys:
    access_key_id: str
    secret: str
    session_token: str
    expires_at: float
    """Epoch seconds."""
    note: str = ""
    """What is wrong with the role, if these aren't its keys."""


class Roles:
    """`strict` refuses roles that don't exist or don't trust Lambda; otherwise such functions run with the
    development credentials. `context(account, region)` is Lambda's own."""

    def __init__(self, strict: bool, context: Callable[[str, str], Context]) -> None:
        self._strict = strict
        self._context = context
        self._keys: dict[tuple[str, str], Keys] = {}

    async def check(self, ctx: Context, role: str) -> None:
        """Raise InvalidParameterValueException in strict mode if a function can't have this role."""
        if not self._strict:
            return
        try:
            await _assume(self._context(ctx.account, ctx.region), role, "lambda-role-check")
        except ServiceError:
            raise InvalidParameterValueException(
                "The role defined for the function cannot be assumed by Lambda."
            ) from None

    async def keys(self, version: Version) -> Keys:
        """Keys that are good for some minutes at least."""
        role, session = (
            str(version.settings["Role"]),
            f"{version.name.name:_<2}",
        )  # sessions have two characters at least
        keys = self._keys.get((role, session))
        if keys is None or keys.expires_at < time.time() + RENEW_SECONDS:
            try:
                keys = await _assume(self._context(version.name.account, version.name.region), role, session)
            except ServiceError as error:
                if self._strict:
                    raise
                note = (
                    f"The role {role} can't be assumed ({error.message or error.code}): running with the "
                    "development credentials instead."
                )
                return Keys(DEVELOPMENT, DEVELOPMENT, "", time.time() + 2 * RENEW_SECONDS, note)
            self._keys[(role, session)] = keys
        return keys


async def _assume(ctx: Context, role: str, session: str) -> Keys:
    answer = await ctx.call("sts", "assume_role", {"RoleArn": role, "RoleSessionName": session})
    credentials = answer["Credentials"]
    return Keys(
        credentials["AccessKeyId"],
        credentials["SecretAccessKey"],
        credentials["SessionToken"],
        credentials["Expiration"].timestamp(),
    )
