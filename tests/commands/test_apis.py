"""`outcrop api export` on a running stack; each request of the collection is sent as Postman would."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
import yaml

MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200"}},
}
DOCUMENT = {
    "openapi": "3.0.1",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/pets/{id}": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "x-amazon-apigateway-integration": MOCK,
                "responses": {"200": {"description": "ok"}},
                "security": [{"key": []}],
            }
        }
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}},
}


def outcrop(stack, *arguments):
    command = [sys.executable, "-m", "outcrop", "api", "export", *arguments, "--data", str(stack.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def api_id(outcrop_stack):
    rest = outcrop_stack.client("apigateway")
    api_id = rest.import_rest_api(body=json.dumps(DOCUMENT).encode())["id"]
    rest.create_deployment(restApiId=api_id, stageName="prod")
    plan = rest.create_usage_plan(name="p", apiStages=[{"apiId": api_id, "stage": "prod"}])["id"]
    key = rest.create_api_key(name="k", enabled=True)["id"]
    rest.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    return api_id


def test_a_collection_runs_against_the_stack(outcrop_stack, api_id, tmp_path):
    done = outcrop(outcrop_stack, api_id, "--postman", str(tmp_path / "c.json"))
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "c.json").read_text())
    variables = {f"{{{{{one['key']}}}}}": one["value"] for one in made["variable"]}
    (item,) = made["item"]
    url = item["request"]["url"]["raw"].replace("{{baseUrl}}", variables["{{baseUrl}}"]).replace(":id", "1")
    headers = {one["key"]: variables[one["value"]] for one in item["request"]["header"]}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        assert answer.status == 200


def test_a_description_is_written_as_yaml(outcrop_stack, api_id, tmp_path):
    done = outcrop(outcrop_stack, api_id, "--openapi", str(tmp_path / "api.yaml"))
    assert done.returncode == 0, done.stderr
    assert list(yaml.safe_load((tmp_path / "api.yaml").read_text())["paths"]) == ["/pets/{id}"]


def test_what_cannot_be_exported_says_why(outcrop_stack, api_id):
    for arguments, words in (
        (("nothing", "--postman", "x"), "Invalid API identifier specified nothing"),
        ((api_id, "--stage", "test", "--postman", "x"), "Invalid stage identifier specified"),
        ((api_id,), "say what to write"),
    ):
        done = outcrop(outcrop_stack, *arguments)
        assert done.returncode == 1
        assert words in done.stderr
