"""Inference profiles: those that AWS defines (a model under a prefix such as `us.`) and those that accounts make."""

from __future__ import annotations

import re
import secrets
import string
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from outcrop.services.bedrock.catalogue.targets import Target
from outcrop.services.bedrock.errors import TooManyTagsException, no_such_model
from outcrop.services.bedrock.paging import page
from outcrop.services.bedrock.store import ApplicationProfile
from outcrop.services.bedrock.tags import MAX_TAGS, read_tags
from outcrop.services.contract import ConflictException, ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import Catalogue, FoundationModel, InferenceProfile
    from outcrop.services.bedrock.store import BedrockStore
    from outcrop.services.contract import Context, Request, Result

_ID = 12
_CHARACTERS = string.ascii_lowercase + string.digits
_PREFIX = re.compile(r"^arn:.*?:(?:application-)?inference-profile/")


class InferenceProfiles:
    def __init__(self, catalogue: Catalogue, store: BedrockStore) -> None:
        self._catalogue = catalogue
        self._store = store

    async def create_inference_profile(self, ctx: Context, request: Request) -> Result:
        token = request.get("clientRequestToken")
        source = request["modelSource"].get("copyFrom", "")
        if token and (made := self._store.profile_by_token(ctx.account, ctx.region, token)):
            if (made.name, made.source) != (request["inferenceProfileName"], source):
                raise ConflictException("The client request token was used with other parameters before.")
            return {"inferenceProfileArn": made.arn, "status": "ACTIVE"}
        model, arns = self._source(ctx, source)
        tags = read_tags(request.get("tags"))
        if len(tags) > MAX_TAGS:
            raise TooManyTagsException(f"A resource can have at most {MAX_TAGS} tags.", resourceName="")
        profile = ApplicationProfile(
            id="".join(secrets.choice(_CHARACTERS) for _ in range(_ID)),
            account=ctx.account,
            region=ctx.region,
            name=request["inferenceProfileName"],
            description=request.get("description"),
            source=source,
            model=model.id,
            models=tuple(arns),
            token=token,
            created_at=time.time(),
        )
        self._store.add_profile(profile, tags)
        return {"inferenceProfileArn": profile.arn, "status": "ACTIVE"}

    async def get_inference_profile(self, ctx: Context, request: Request) -> Result:
        identifier = request["inferenceProfileIdentifier"]
        if (own := self._own(ctx, identifier)) is not None:
            return _describe_own(own)
        profile = self._catalogue.profiles.get(_PREFIX.sub("", identifier))
        if profile is None:
            raise ResourceNotFoundException(f"Inference profile {identifier} not found.")
        return _describe(profile, ctx)

    async def list_inference_profiles(self, ctx: Context, request: Request) -> Result:
        wanted = request.get("typeEquals")
        found: list[dict[str, Any]] = []
        if wanted != "APPLICATION":
            profiles = sorted(self._catalogue.profiles_in(ctx.region), key=lambda profile: profile.id)
            found += [_describe(profile, ctx) for profile in profiles]
        if wanted != "SYSTEM_DEFINED":
            found += [_describe_own(profile) for profile in self._store.profiles(ctx.account, ctx.region)]
        found, following = page(found, request)
        return {"inferenceProfileSummaries": found, **following}

    async def delete_inference_profile(self, ctx: Context, request: Request) -> Result:
        identifier = request["inferenceProfileIdentifier"]
        own = self._own(ctx, identifier)
        if own is None:
            if _PREFIX.sub("", identifier) in self._catalogue.profiles:
                raise ValidationException("System-defined inference profiles can't be deleted.")
            raise ResourceNotFoundException(f"Inference profile {identifier} not found.")
        self._store.delete_profile(own)
        return {}

    def exists(self, ctx: Context, arn: str) -> bool:
        """Whether tags may be put on it."""
        return ":application-inference-profile/" in arn and self._own(ctx, arn) is not None

    def resolve(self, ctx: Context, identifier: str) -> Target | None:
        """The target of an application profile's ARN or id."""
        is_arn = ":application-inference-profile/" in identifier
        if not is_arn and not re.fullmatch(f"[a-z0-9]{{{_ID}}}", identifier):
            return None
        own = self._own(ctx, identifier)
        if own is None:
            if is_arn:
                raise ResourceNotFoundException(f"Inference profile {identifier} not found.")
            return None
        return Target(self._catalogue.models[own.model], own.model, own.arn)

    def _own(self, ctx: Context, identifier: str) -> ApplicationProfile | None:
        profile = self._store.profile(ctx.account, ctx.region, _PREFIX.sub("", identifier))
        return profile if profile and identifier in (profile.id, profile.arn) else None

    def _source(self, ctx: Context, arn: str) -> tuple[FoundationModel, list[str]]:
        """The model behind `copyFrom`, and the ARNs of the models that it routes to."""
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if kind == "inference-profile" and (profile := self._catalogue.profiles.get(name)):
            return profile.model, profile.model_arns(ctx.region)
        if kind == "foundation-model" and (model := self._catalogue.models.get(name)):
            return model, [model.arn(ctx.region)]
        if kind == "inference-profile":
            raise ResourceNotFoundException(f"Inference profile {arn} not found.")
        raise no_such_model()


def _describe(profile: InferenceProfile, ctx: Context) -> dict[str, Any]:
    arns = profile.model_arns(ctx.region)
    regions = [region for arn in arns if (region := arn.split(":")[3])]
    return {
        "inferenceProfileName": profile.name,
        "description": f"Routes requests to {profile.model.provider} {profile.model.name} in {', '.join(regions)}.",
        "inferenceProfileArn": profile.arn(ctx.region, ctx.account),
        "models": [{"modelArn": arn} for arn in arns],
        "inferenceProfileId": profile.id,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def _describe_own(profile: ApplicationProfile) -> dict[str, Any]:
    made = datetime.fromtimestamp(profile.created_at, UTC)
    described = {
        "inferenceProfileName": profile.name,
        "createdAt": made,
        "updatedAt": made,
        "inferenceProfileArn": profile.arn,
        "models": [{"modelArn": arn} for arn in profile.models],
        "inferenceProfileId": profile.id,
        "status": "ACTIVE",
        "type": "APPLICATION",
    }
    return {**described, "description": profile.description} if profile.description else described
