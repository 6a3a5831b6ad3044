"""Which other accounts may use a layer's version: kept and shown. Layers of other accounts aren't within reach here."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_.errors import (
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.layers import version_arn
from outcrop.services.lambda_.store import LambdaStore


class LayerPolicies:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def add_layer_version_permission(self, ctx: Context, request: Request) -> Result:
        arn = self._target(ctx, request)
        self._check_revision(arn, request)
        principal = request["Principal"]
        statement: dict[str, Any] = {
            "Sid": request["StatementId"],
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{principal}:root"} if principal.isdecimal() else principal,
            "Action": request["Action"],
            "Resource": arn,
        }
        if request.get("OrganizationId"):
            statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}
        if not self._store.add_layer_statement(arn, request["StatementId"], statement):
            raise ResourceConflictException(
                f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
                "id, or remove the existing statement."
            )
        return {"Statement": _json(statement), "RevisionId": self._revision(arn)}

    async def get_layer_version_policy(self, ctx: Context, request: Request) -> Result:
        arn = self._target(ctx, request)
        statements = self._store.layer_statements(arn)
        if not statements:
            raise ResourceNotFoundException("No policy is associated with the given resource.")
        document = {"Version": "2012-10-17", "Id": "default", "Statement": statements}
        return {"Policy": _json(document), "RevisionId": self._revision(arn)}

    async def remove_layer_version_permission(self, ctx: Context, request: Request) -> Result:
        arn = self._target(ctx, request)
        self._check_revision(arn, request)
        if not self._store.delete_layer_statement(arn, request["StatementId"]):
            raise ResourceNotFoundException(f"Statement {request['StatementId']} is not found in resource policy.")
        return {}

    def _target(self, ctx: Context, request: Request) -> str:
        arn = version_arn(ctx, request)
        if self._store.layer(arn) is None:
            raise ResourceNotFoundException(f"Layer version {arn} does not exist.")
        return arn

    def _check_revision(self, arn: str, request: Request) -> None:
        if request.get("RevisionId") not in (None, self._revision(arn)):
            raise PreconditionFailedException(
                "The RevisionId provided does not match the latest RevisionId. Call the GetLayerVersionPolicy API to "
                "retrieve the latest RevisionId"
            )

    def _revision(self, arn: str) -> str:
        """Changes with the policy."""
        digest = hashlib.sha256(_json(self._store.layer_statements(arn)).encode()).hexdigest()
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
