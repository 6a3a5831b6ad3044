"""Credentials for one service: above all Bedrock's long-term API keys, which are sent as bearer tokens."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import replace
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, names
from outcrop.services.iam.paging import page
from outcrop.services.iam.store import Entity, IamStore, ServiceCredential, moment

PER_SERVICE = 2
API_KEYS = ("bedrock.amazonaws.com", "logs.amazonaws.com")
"""Services whose credential is a single API key. The others' would be a user name and password."""


class ServiceCredentials:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_service_specific_credential(self, ctx: Context, request: Request) -> Result:
        user, service = common.need(self._store, ctx.account, "user", request["UserName"]), request["ServiceName"]
        if service not in API_KEYS:
            raise errors.NotSupportedService(f"No such service {service} is supported for Service Specific Credentials")
        held = [each for each in self._store.service_credentials(ctx.account, user.id) if each.service == service]
        if len(held) >= PER_SERVICE:
            raise errors.LimitExceeded(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {PER_SERVICE}")
        days = request.get("CredentialAgeDays")
        credential = ServiceCredential(
            id=names.unique_id("ACCA"),
            account=ctx.account,
            owner=user.id,
            service=service,
            alias=f"{user.name}+{len(held)}-at-{ctx.account}" if held else f"{user.name}-at-{ctx.account}",
            secret="",
            active=1,
            created_at=time.time(),
            expires_at=time.time() + days * 86400 if days else None,
        )
        return {"ServiceSpecificCredential": self._renewed(credential, user)}

    async def list_service_specific_credentials(self, ctx: Context, request: Request) -> Result:
        if request.get("AllUsers"):
            found = self._store.service_credentials(ctx.account)
        else:
            user = self._user(ctx, request)
            found = self._store.service_credentials(ctx.account, user.id)
        found = [each for each in found if each.service == request.get("ServiceName", each.service)]
        shown, more = page(request, found, lambda each: each.id)
        return {"ServiceSpecificCredentials": [self._shown(each) for each in shown], **more}

    async def update_service_specific_credential(self, ctx: Context, request: Request) -> Result:
        credential = self._need(ctx, request)
        self._store.put_service_credential(replace(credential, active=int(request["Status"] == "Active")))
        return {}

    async def reset_service_specific_credential(self, ctx: Context, request: Request) -> Result:
        credential = self._need(ctx, request)
        user = self._store.entity_by_id(credential.owner)
        assert user is not None, "credentials go with their user"
        return {"ServiceSpecificCredential": self._renewed(credential, user)}

    async def delete_service_specific_credential(self, ctx: Context, request: Request) -> Result:
        self._store.remove_service_credential(self._need(ctx, request).id)
        return {}

    def _user(self, ctx: Context, request: Request) -> Entity:
        user = common.need_user_or_caller(self._store, ctx, request.get("UserName"))
        if user is None:
            raise errors.ValidationError("Must specify userName when calling with non-User credentials")
        return user

    def _need(self, ctx: Context, request: Request) -> ServiceCredential:
        wanted = request["ServiceSpecificCredentialId"]
        credential = self._store.service_credential(wanted)
        if "UserName" in request or ctx.principal.kind != "root":
            owner: str | None = self._user(ctx, request).id
        else:
            owner = credential.owner if credential else None
        if credential is None or credential.account != ctx.account or credential.owner != owner:
            raise errors.NoSuchEntity(f"The service specific credential with id {wanted} cannot be found.")
        return credential

    def _renewed(self, credential: ServiceCredential, user: Entity) -> dict[str, Any]:
        """Store it with a new secret, and show that this once."""
        text = f"BedrockAPIKey-{credential.alias}:{secrets.token_urlsafe(40)}"
        credential = replace(credential, secret="ABSK" + base64.b64encode(text.encode()).decode())
        self._store.put_service_credential(credential)
        return {**self._shown(credential), "ServiceCredentialSecret": credential.secret}

    def _shown(self, credential: ServiceCredential) -> dict[str, Any]:
        user = self._store.entity_by_id(credential.owner)
        shown = {
            "UserName": user.name if user else "",
            "ServiceName": credential.service,
            "ServiceCredentialAlias": credential.alias,
            "ServiceSpecificCredentialId": credential.id,
            "Status": "Active" if credential.active else "Inactive",
            "CreateDate": moment(credential.created_at),
        }
        if credential.expires_at is not None:
            shown["ExpirationDate"] = moment(credential.expires_at)
            if credential.expires_at <= time.time():
                shown["Status"] = "Expired"
        return shown
