"""Who may invoke a function: its resource policy, made by AddPermission."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from outcrop.services.contract import Context, Request, Result
from outcrop.services.lambda_ import lookup
from outcrop.services.lambda_.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    PolicyLengthExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from outcrop.services.lambda_.names import LATEST, FunctionName
from outcrop.services.lambda_.roles import LAMBDA
from outcrop.services.lambda_.store import Function, LambdaStore

MAX_POLICY = 20_480
INVOKE = ("lambda:InvokeFunction", "lambda:*", "*")


class Permissions:
    def __init__(self, store: LambdaStore) -> None:
        self._store = store

    async def add_permission(self, ctx: Context, request: Request) -> Result:
        function, name = self._target(ctx, request)
        if name.qualifier == LATEST:
            raise InvalidParameterValueException("We currently do not support adding policies for $LATEST.")
        lookup.check_revision(request.get("RevisionId"), self._revision(name))
        statement = _statement(name, request)
        present = self._store.statements(function.id, name.qualifier)
        if len(_document([*present, statement])) > MAX_POLICY:
            raise PolicyLengthExceededException(f"The final policy size is bigger than the limit ({MAX_POLICY}).")
        if not self._store.add_statement(function.id, name.qualifier, request["StatementId"], statement):
            raise ResourceConflictException(
                f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
                "id, or remove the existing statement."
            )
        self._store.touch(function.id)
        return {"Statement": json.dumps(statement, separators=(",", ":"))}

    async def remove_permission(self, ctx: Context, request: Request) -> Result:
        function, name = self._target(ctx, request)
        lookup.check_revision(request.get("RevisionId"), self._revision(name))
        if not self._store.statements(function.id, name.qualifier):
            raise ResourceNotFoundException("No policy is associated with the given resource.")
        if not self._store.delete_statement(function.id, name.qualifier, request["StatementId"]):
            raise ResourceNotFoundException(f"Statement {request['StatementId']} is not found in resource policy.")
        self._store.touch(function.id)
        return {}

    async def get_policy(self, ctx: Context, request: Request) -> Result:
        function, name = self._target(ctx, request)
        statements = self._store.statements(function.id, name.qualifier)
        if not statements:
            raise ResourceNotFoundException("The resource you requested does not exist.")
        return {"Policy": _document(statements), "RevisionId": self._revision(name)}

    def _target(self, ctx: Context, request: Request) -> tuple[Function, FunctionName]:
        name = lookup.name(ctx, request)
        return lookup.target(self._store, name), name

    def _revision(self, name: FunctionName) -> str:
        return lookup.version(self._store, name).revision


def check_access(store: LambdaStore, ctx: Context, function: Function, name: FunctionName) -> None:
    """Raise AccessDeniedException unless the caller may invoke the function.

    Only AWS services are checked here, such as API Gateway: their `Principal` has kind `service`, the service's name
    (`apigateway.amazonaws.com`) as `arn`, and as `user_id` the ARN of what calls (an API's route), or nothing. Lambda
    itself, delivering to a destination, needs no permission.
    """
    principal = ctx.principal
    if principal.kind != "service" or principal == LAMBDA:
        return
    source = principal.user_id if principal.user_id.startswith("arn:") else ""
    for statement in store.statements(function.id, name.qualifier):
        service = statement["Principal"].get("Service") if isinstance(statement["Principal"], dict) else None
        open_to_all = statement["Principal"] == "*"
        covers = (service == principal.arn or open_to_all) and statement["Action"] in INVOKE
        if covers and _conditions_hold(statement.get("Condition", {}), source, ctx.account):
            return
    raise AccessDeniedException(
        f"User: {principal.arn} is not authorized to perform: lambda:InvokeFunction on resource: {name.qualified_arn} "
        "because no resource-based policy allows the lambda:InvokeFunction action"
    )


def _statement(name: FunctionName, request: Request) -> dict[str, Any]:
    principal, shown = request["Principal"], {}
    if principal == "*":
        shown_principal: Any = "*"
    elif re.fullmatch(r"\d{12}", principal):
        shown_principal = {"AWS": f"arn:aws:iam::{principal}:root"}
    elif principal.startswith("arn:"):
        shown_principal = {"AWS": principal}
    elif re.fullmatch(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|alexa\.com)|[a-z0-9-]+\.aws\.internal", principal):
        shown_principal = {"Service": principal}
    else:
        raise InvalidParameterValueException(
            "The provided principal was invalid. Please check the principal and try again."
        )
    shown = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": shown_principal,
        "Action": request["Action"],
        "Resource": name.qualified_arn,
    }
    equal = {
        "AWS:SourceAccount": request.get("SourceAccount"),
        "lambda:EventSourceToken": request.get("EventSourceToken"),
        "lambda:FunctionUrlAuthType": request.get("FunctionUrlAuthType"),
        "aws:PrincipalOrgID": request.get("PrincipalOrgID"),
    }
    condition: dict[str, Any] = {}
    if given := {key: value for key, value in equal.items() if value}:
        condition["StringEquals"] = given
    if request.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if request.get("InvokedViaFunctionUrl") is not None:
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": str(request["InvokedViaFunctionUrl"]).lower()}
    if condition:
        shown["Condition"] = condition
    return shown


def _conditions_hold(condition: Mapping[str, Any], source: str, account: str) -> bool:
    """Whether what AddPermission can say about the source is true of the ARN `source`, which belongs to `account` if it
    names none itself, as a bucket's."""
    equal, like = condition.get("StringEquals", {}), condition.get("ArnLike", {})
    if "lambda:FunctionUrlAuthType" in equal or "aws:PrincipalOrgID" in equal or "lambda:EventSourceToken" in equal:
        return False
    owner = (source.split(":")[4:5] or [""])[0] or account
    if equal.get("AWS:SourceAccount", owner) != owner:
        return False
    pattern = like.get("AWS:SourceArn")
    return pattern is None or _matches(pattern, source)


def _matches(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _document(statements: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}, separators=(",", ":"))
