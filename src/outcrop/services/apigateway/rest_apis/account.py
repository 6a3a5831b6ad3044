"""What an account has beside its APIs: settings and VPC links."""

from __future__ import annotations

import re
from typing import Any

from outcrop.services.apigateway.http_apis.errors import BadRequestException
from outcrop.services.apigateway.http_apis.store import new_id
from outcrop.services.apigateway.rest_apis.finding import find_thing, page
from outcrop.services.apigateway.rest_apis.patching import patched
from outcrop.services.apigateway.rest_apis.store import RestStore, Thing
from outcrop.services.contract import Context, Request, Result

THROTTLE = {"burstLimit": 5000, "rateLimit": 10000.0}


class AccountSettings:
    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def get_account(self, ctx: Context, request: Request) -> Result:
        thing = self._store.thing(ctx.account, ctx.region, "account", "account")
        definition = thing.definition if thing else {}
        return {"apiKeyVersion": "4", "features": ["UsagePlans"], "throttleSettings": THROTTLE, **definition}

    async def update_account(self, ctx: Context, request: Request) -> Result:
        thing = self._store.thing(ctx.account, ctx.region, "account", "account")
        definition: dict[str, Any] = dict(thing.definition) if thing else {}
        for operation in request.get("patchOperations", ()):
            if operation.get("path") == "/features":
                if operation.get("value") != "UsagePlans":
                    raise BadRequestException(
                        f"Invalid patch value {operation.get('value')} specified for path '/features'. It must be "
                        "UsagePlans"
                    )
                if operation.get("op") == "remove":
                    raise BadRequestException("Usage Plans cannot be disabled once enabled")
                continue
            definition = patched(definition, [operation], {"/cloudwatchRoleArn": "text"})
        role = definition.get("cloudwatchRoleArn")
        if role and not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:role/.+", role):
            raise BadRequestException(
                "The role ARN does not have required permissions set to API Gateway: it is no role's ARN"
            )
        if not role:
            definition.pop("cloudwatchRoleArn", None)
        self._store.put_thing(Thing(ctx.account, ctx.region, "account", "account", definition))
        return await self.get_account(ctx, {})


class VpcLinks:
    """Kept, so that templates which have them deploy; a machine of one's own has no VPC to link to."""

    def __init__(self, store: RestStore) -> None:
        self._store = store

    async def create_vpc_link(self, ctx: Context, request: Request) -> Result:
        if len(request["targetArns"]) != 1:
            raise BadRequestException("Must specify exactly one target ARN")
        definition = {key: request[key] for key in ("description", "name", "tags", "targetArns") if key in request}
        return self._keep(ctx, new_id(6), definition)

    async def get_vpc_link(self, ctx: Context, request: Request) -> Result:
        return _describe_link(find_thing(self._store, ctx, "vpc_link", request["vpcLinkId"]))

    async def get_vpc_links(self, ctx: Context, request: Request) -> Result:
        return page(request, self._store.things(ctx.account, ctx.region, "vpc_link"), _describe_link)

    async def update_vpc_link(self, ctx: Context, request: Request) -> Result:
        link = find_thing(self._store, ctx, "vpc_link", request["vpcLinkId"])
        fields = {"/name": "text", "/description": "text"}
        return self._keep(ctx, link.id, patched(link.definition, request.get("patchOperations", ()), fields))

    async def delete_vpc_link(self, ctx: Context, request: Request) -> Result:
        self._store.delete_thing(find_thing(self._store, ctx, "vpc_link", request["vpcLinkId"]))
        return {}

    def _keep(self, ctx: Context, link_id: str, definition: dict[str, Any]) -> Result:
        link = Thing(ctx.account, ctx.region, "vpc_link", link_id, definition)
        self._store.put_thing(link)
        return _describe_link(link)


def _describe_link(link: Thing) -> Result:
    return {**link.definition, "id": link.id, "status": "AVAILABLE"}
