"""`outcrop api`: takes APIs out of the running stack, as OpenAPI documents or Postman collections."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.commands.postman import collection
from outcrop.commands.stack import client

if TYPE_CHECKING:
    from outcrop.settings import Settings


def add(api: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser."""
    actions = api.add_subparsers(dest="action", required=True, metavar="action")
    export = actions.add_parser("export", parents=[shared], help="write an API to a file")
    export.add_argument("id", help="the API's id")
    export.add_argument("--stage", help="whose deployment to take (default: the only one)")
    export.add_argument("--openapi", type=Path, metavar="FILE", help="write an OpenAPI 3.0 document; .yaml writes YAML")
    export.add_argument("--postman", type=Path, metavar="FILE", help="write a Postman collection, for newman too")
    export.set_defaults(run=_export)


def _export(settings: Settings, options: argparse.Namespace) -> int:
    if not (options.openapi or options.postman):
        raise ValueError("say what to write: --openapi FILE or --postman FILE")
    stage, document = _describe(settings, options.id, options.stage)
    if options.openapi:
        _write(options.openapi, document)
    if options.postman:
        url = client(settings, "apigateway").meta.endpoint_url
        place = "" if stage == "$default" else f"/{stage}"
        base = f"{url}/_outcrop/execute-api/{options.id}{place}"
        made = collection(document, base, _variables(settings, options.id, stage))
        options.postman.write_text(json.dumps(made, indent=2) + "\n")
        print(f"{len(made['item'])} requests are in {options.postman}. Run them: npx newman run {options.postman}")
    return 0


def _write(file: Path, document: dict[str, Any]) -> None:
    if file.suffix in (".yaml", ".yml"):
        import yaml

        file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    else:
        file.write_text(json.dumps(document, indent=2) + "\n")
    print(f"The API is described in {file}")


def _describe(settings: Settings, api_id: str, stage: str | None) -> tuple[str, dict[str, Any]]:
    """The stage, and the API as OpenAPI 3.0. Raises ValueError for what isn't there."""
    rest, http = client(settings, "apigateway"), client(settings, "apigatewayv2")
    pages = rest.get_paginator("get_rest_apis").paginate()
    try:
        if any(api["id"] == api_id for page in pages for api in page["items"]):
            stage = _choose([one["stageName"] for one in rest.get_stages(restApiId=api_id)["item"]], stage)
            parameters = {"extensions": "apigateway"}
            answer = rest.get_export(restApiId=api_id, stageName=stage, exportType="oas30", parameters=parameters)
        else:
            stage = _choose([one["StageName"] for one in http.get_stages(ApiId=api_id)["Items"]], stage)
            answer = http.export_api(ApiId=api_id, StageName=stage, Specification="OAS30", OutputType="JSON")
    except (rest.exceptions.ClientError, http.exceptions.ClientError) as error:
        raise ValueError(error.response["Error"]["Message"]) from None
    document: dict[str, Any] = json.loads(answer["body"].read())
    return stage, document


def _variables(settings: Settings, api_id: str, stage: str) -> dict[str, str]:
    """An API key that the stage takes, and this stack's own access key."""
    rest = client(settings, "apigateway")
    found = {"apiKey": "", "authorization": "", "accessKey": "test", "secretKey": "test", "region": settings.region}
    for plan in rest.get_usage_plans(limit=500)["items"]:
        if any((one["apiId"], one["stage"]) == (api_id, stage) for one in plan.get("apiStages", ())):
            for key in rest.get_usage_plan_keys(usagePlanId=plan["id"])["items"]:
                found["apiKey"] = key["value"]
    return found


def _choose(names: list[str], wanted: str | None) -> str:
    if wanted is not None:
        return wanted
    if len(names) != 1:
        raise ValueError(f"name a stage with --stage: {', '.join(names) or 'the API has none; deploy it'}")
    return names[0]
