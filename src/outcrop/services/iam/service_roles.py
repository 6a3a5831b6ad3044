"""Service-linked roles: made for a service, under its own path, trusted by it alone."""

from __future__ import annotations

import json
import re
import uuid

from outcrop.services.contract import Context, Request, Result
from outcrop.services.iam import common, errors, roles
from outcrop.services.iam.store import IamStore

NAMES = {
    "autoscaling.amazonaws.com": "AutoScaling",
    "ecs.amazonaws.com": "ECS",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "observability.aoss.amazonaws.com": "AmazonOpenSearchServerless",
    "opensearchservice.amazonaws.com": "AmazonOpenSearchService",
    "ops.apigateway.amazonaws.com": "APIGateway",
    "rds.amazonaws.com": "RDS",
    "replicator.lambda.amazonaws.com": "LambdaReplicator",
}
"""What AWS calls the roles of services whose name doesn't tell."""


class ServiceLinkedRoles:
    def __init__(self, store: IamStore) -> None:
        self._store = store

    async def create_service_linked_role(self, ctx: Context, request: Request) -> Result:
        service, suffix = request["AWSServiceName"], request.get("CustomSuffix", "")
        if not re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", service):
            raise errors.InvalidInput(f"Service Role for AWS service {service} cannot be found.")
        words = service.removesuffix(".amazonaws.com").split(".")
        name = "AWSServiceRoleFor" + NAMES.get(service, "".join(word.capitalize() for word in reversed(words)))
        name += f"_{suffix}" if suffix else ""
        if self._store.name_taken(ctx.account, "role", name):
            raise errors.InvalidInput(
                f"Service role name {name} has been taken in this account, please try a different suffix."
            )
        statement = {"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [service]}}
        role = self._store.add_entity(
            ctx.account,
            "role",
            name,
            f"{common.SERVICE_ROLES}{service}/",
            {},
            trust=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            description=request.get("Description", ""),
        )
        return {"Role": roles.brief(role)}

    async def delete_service_linked_role(self, ctx: Context, request: Request) -> Result:
        role = common.need(self._store, ctx.account, "role", request["RoleName"])
        if not role.path.startswith(common.SERVICE_ROLES):
            raise errors.NoSuchEntity(f"The role with name {role.name} is not a service-linked role.")
        task = f"task{role.path}{role.name}/{uuid.uuid4()}"
        self._store.remove_entity(role.id)
        self._store.add_role_deletion(task, ctx.account)
        return {"DeletionTaskId": task}

    async def get_service_linked_role_deletion_status(self, ctx: Context, request: Request) -> Result:
        if not self._store.has_role_deletion(request["DeletionTaskId"], ctx.account):
            raise errors.NoSuchEntity(f"The deletion task {request['DeletionTaskId']} cannot be found.")
        return {"Status": "SUCCEEDED"}
