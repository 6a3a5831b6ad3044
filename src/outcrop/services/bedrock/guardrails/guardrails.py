"""Guardrails and their versions. Every version is ready as soon as it is made."""

from __future__ import annotations

import re
import secrets
import string
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.errors import TooManyTagsException
from outcrop.services.bedrock.guardrails.configs import read_policies, refuse_unchecked, unchecked
from outcrop.services.bedrock.guardrails.store import DRAFT, Guardrail, NameTaken
from outcrop.services.bedrock.paging import page
from outcrop.services.bedrock.tags import MAX_TAGS, read_tags
from outcrop.services.contract import ConflictException, ResourceNotFoundException

if TYPE_CHECKING:
    from outcrop.services.bedrock.guardrails.store import GuardrailStore
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result

NO_SUCH = "The guardrail identifier or version provided in the request does not exist."
_LETTERS = string.ascii_lowercase + string.digits
_PREFIX = re.compile(r"arn:aws[^:]*:bedrock:[a-z0-9-]+:\d{12}:guardrail/")


class Guardrails:
    def __init__(self, store: GuardrailStore, tags: BedrockStore, *, strict: bool) -> None:
        self._store = store
        self._tags = tags
        self._strict = strict

    async def create_guardrail(self, ctx: Context, request: Request) -> Result:
        token = request.get("clientRequestToken")
        made = self._store.by_token(ctx.account, ctx.region, token) if token else None
        if made is None:
            policies = self._policies(ctx, request)
            tags = read_tags(request.get("tags"))
            if len(tags) > MAX_TAGS:
                raise TooManyTagsException(f"A resource can have at most {MAX_TAGS} tags.")
            now = time.time()
            guardrail_id = "".join(secrets.choice(_LETTERS) for _ in range(12))
            made = Guardrail(
                guardrail_id,
                ctx.account,
                ctx.region,
                DRAFT,
                request["name"],
                request.get("description"),
                policies,
                now,
                now,
            )
            try:
                self._store.add(made, token)
            except NameTaken:
                raise _name_taken() from None
            self._tags.tag(made.arn, tags)
        return {**_names(made), "version": DRAFT, "createdAt": _at(made.created_at)}

    async def update_guardrail(self, ctx: Context, request: Request) -> Result:
        draft = self.get(ctx, request["guardrailIdentifier"], DRAFT)
        policies = self._policies(ctx, request)
        changed = replace(
            draft,
            name=request["name"],
            description=request.get("description"),
            policies=policies,
            updated_at=time.time(),
        )
        try:
            self._store.update(changed)
        except NameTaken:
            raise _name_taken() from None
        return {**_names(changed), "version": DRAFT, "updatedAt": _at(changed.updated_at)}

    async def create_guardrail_version(self, ctx: Context, request: Request) -> Result:
        draft = self.get(ctx, request["guardrailIdentifier"], DRAFT)
        made = self._store.add_version(
            draft, request.get("description"), request.get("clientRequestToken"), time.time()
        )
        return {"guardrailId": made.id, "version": made.version}

    async def get_guardrail(self, ctx: Context, request: Request) -> Result:
        found = self.get(ctx, request["guardrailIdentifier"], request.get("guardrailVersion") or DRAFT)
        self._note(ctx, unchecked(found.policies))
        return {
            **_names(found),
            "name": found.name,
            **({"description": found.description} if found.description else {}),
            "version": found.version,
            "status": "READY",
            "createdAt": _at(found.created_at),
            "updatedAt": _at(found.updated_at),
            **found.policies,
        }

    async def list_guardrails(self, ctx: Context, request: Request) -> Result:
        if identifier := request.get("guardrailIdentifier"):
            found = self._store.versions(ctx.account, ctx.region, self.get(ctx, identifier, DRAFT).id)
        else:
            found = self._store.drafts(ctx.account, ctx.region)
        shown, following = page(found, request)
        return {"guardrails": [_summary(one) for one in shown], **following}

    async def delete_guardrail(self, ctx: Context, request: Request) -> Result:
        draft = self.get(ctx, request["guardrailIdentifier"], DRAFT)
        version = request.get("guardrailVersion")
        if version is None:
            self._store.delete(draft.id)
            self._tags.untag(draft.arn)
        else:
            self._store.delete_version(draft.id, self.get(ctx, draft.id, version).version)
        return {}

    def exists(self, ctx: Context, arn: str) -> bool:
        """Whether tags may be put on it."""
        return ":guardrail/" in arn and self._find(ctx, arn, DRAFT) is not None

    def get(self, ctx: Context, identifier: str, version: str) -> Guardrail:
        """A version by the guardrail's id or ARN. Raises ResourceNotFoundException."""
        found = self._find(ctx, identifier, version)
        if found is None:
            raise ResourceNotFoundException(NO_SUCH)
        return found

    def _find(self, ctx: Context, identifier: str, version: str) -> Guardrail | None:
        found = self._store.find(ctx.account, ctx.region, _PREFIX.sub("", identifier), version)
        return found if found and identifier in (found.id, found.arn) else None

    def _policies(self, ctx: Context, request: Request) -> dict[str, Any]:
        policies = read_policies(request, ctx.account, ctx.region)
        kinds = unchecked(policies)
        if self._strict:
            refuse_unchecked(kinds)
        self._note(ctx, kinds)
        return policies

    def _note(self, ctx: Context, kinds: list[str]) -> None:
        if kinds:
            ctx.notes["guardrail-not-checked"] = ", ".join(kinds)


def _name_taken() -> ConflictException:
    return ConflictException("Another guardrail in your account already has this name. Choose a name of its own.")


def _names(one: Guardrail) -> dict[str, Any]:
    return {"guardrailId": one.id, "guardrailArn": one.arn}


def _summary(one: Guardrail) -> dict[str, Any]:
    return {
        "id": one.id,
        "arn": one.arn,
        "status": "READY",
        "name": one.name,
        **({"description": one.description} if one.description else {}),
        "version": one.version,
        "createdAt": _at(one.created_at),
        "updatedAt": _at(one.updated_at),
        **({"crossRegionDetails": one.policies["crossRegionDetails"]} if "crossRegionDetails" in one.policies else {}),
    }


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
