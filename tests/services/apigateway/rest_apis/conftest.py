"""REST APIs on the stack of the folder above: made, deployed and called in one line each."""

from __future__ import annotations

from typing import Any

import pytest

from ..conftest import REGION, Answer, Stack

INVOCATIONS = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions"


class Rest:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.lambda_ = stack.lambda_

    async def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.stack(operation, service="apigateway", **request)

    async def api(self, **request: Any) -> str:
        return (await self("create_rest_api", **{"name": "api", **request}))["id"]

    async def resource(self, api_id: str, path: str) -> str:
        """The id of the resource at a path; made with all above it if it isn't there."""
        resources = (await self("get_resources", restApiId=api_id, limit=500))["items"]
        known = {resource["path"]: resource["id"] for resource in resources}
        if path in known:
            return known[path]
        above, _, part = path.rpartition("/")
        parent = await self.resource(api_id, above or "/")
        return (await self("create_resource", restApiId=api_id, parentId=parent, pathPart=part))["id"]

    async def method(self, api_id: str, key: str, integration: dict[str, Any], **method: Any) -> dict[str, Any]:
        """`GET /pets` with its integration; answers the ids that name it."""
        http_method, path = key.split(" ")
        names = {"restApiId": api_id, "resourceId": await self.resource(api_id, path), "httpMethod": http_method}
        await self("put_method", **names, **{"authorizationType": "NONE", **method})
        await self("put_integration", **names, **integration)
        return names

    async def mock(
        self, api_id: str, key: str, body: str = "", *, template: str = '{"statusCode": 200}', **method: Any
    ) -> dict[str, Any]:
        """A method that answers `body`."""
        integration = {"type": "MOCK", "requestTemplates": {"application/json": template}}
        names = await self.method(api_id, key, integration, **method)
        await self("put_method_response", **names, statusCode="200")
        templates = {"application/json": body}
        await self("put_integration_response", **names, statusCode="200", responseTemplates=templates)
        return names

    def proxy(self, function: Any, name: str = "f") -> dict[str, Any]:
        """A proxy integration of a Python callable."""
        uri = f"{INVOCATIONS}/{self.lambda_.add(function, name)}/invocations"
        return {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri}

    def custom(self, function: Any, name: str = "f", **integration: Any) -> dict[str, Any]:
        return {**self.proxy(function, name), "type": "AWS", **integration}

    async def deploy(self, api_id: str, stage: str = "test", **request: Any) -> str:
        return (await self("create_deployment", restApiId=api_id, stageName=stage, **request))["id"]

    async def http(self, method: str, api_id: str, path: str, headers: Any = (), body: bytes = b"") -> Answer:
        return await self.stack.http(method, f"http://{api_id}.execute-api.localhost:4566{path}", headers, body)


@pytest.fixture
def rest(stack: Stack) -> Rest:
    return Rest(stack)
