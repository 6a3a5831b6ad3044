"""Inference profiles that AWS defines: a model under a prefix such as `us.` or `global.`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from outcrop.services.contract import ResourceNotFoundException, ValidationException

if TYPE_CHECKING:
    from outcrop.services.bedrock.catalogue import Catalogue, InferenceProfile
    from outcrop.services.contract import Context, Request, Result

_PAGE = 100


class InferenceProfiles:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def list_inference_profiles(self, ctx: Context, request: Request) -> Result:
        if request.get("typeEquals", "SYSTEM_DEFINED") != "SYSTEM_DEFINED":
            return {"inferenceProfileSummaries": []}
        profiles = sorted(self._catalogue.profiles_in(ctx.region), key=lambda profile: profile.id)
        start = _position(request.get("nextToken"), len(profiles))
        end = start + request.get("maxResults", _PAGE)
        result: dict[str, Any] = {
            "inferenceProfileSummaries": [_describe(profile, ctx) for profile in profiles[start:end]]
        }
        if end < len(profiles):
            result["nextToken"] = str(end)
        return result

    async def get_inference_profile(self, ctx: Context, request: Request) -> Result:
        identifier = request["inferenceProfileIdentifier"]
        profile = self._catalogue.profiles.get(re.sub(r"^arn:.*?:inference-profile/", "", identifier))
        if profile is None:
            raise ResourceNotFoundException(f"Inference profile {identifier} not found.")
        return _describe(profile, ctx)


def _position(token: str | None, size: int) -> int:
    if token is None:
        return 0
    if not token.isascii() or not token.isdigit() or not 0 < int(token[:9]) < size:
        raise ValidationException("The provided pagination token is invalid.")
    return int(token)


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
