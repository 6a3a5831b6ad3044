"""Powertools for AWS Lambda, in a layer."""

import base64
import io
import json
import zipfile
from importlib.metadata import files
from pathlib import Path

import pytest
from tests.services.lambda_.conftest import PYTHON, ROLE, zipped

from outcrop.testing import StackProcess

CODE = """
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
    from aws_lambda_powertools.metrics import MetricUnit

    logger, metrics = Logger(service="course"), Metrics(namespace="Course", service="course")
    app = LambdaFunctionUrlResolver()

    @app.get("/hello/<name>")
    def hello(name):
        logger.info("greeted", extra={"who": name})
        metrics.add_metric(name="Hellos", unit=MetricUnit.Count, value=1)
        return {"hello": name}

    @logger.inject_lambda_context
    @metrics.log_metrics(capture_cold_start_metric=True)
    def handler(event, context):
        return app.resolve(event, context)
"""


def layer():
    """The package and what it needs, below `python`, as its own layer has it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("aws-lambda-powertools", "jmespath", "typing-extensions"):
            for file in files(name):
                if file.suffix in (".py", ".json", ".typed") and ".." not in file.parts:
                    archive.write(Path(str(file.locate())), f"python/{file}")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("stack")) as stack:
        yield stack.client("lambda")


def test_powertools_in_a_layer(client):
    arn = client.publish_layer_version(LayerName="powertools", Content={"ZipFile": layer()})["LayerVersionArn"]
    client.create_function(
        FunctionName="tools",
        Runtime=PYTHON,
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": zipped(CODE)},
        Layers=[arn],
        Timeout=30,
    )
    http = {"method": "GET", "path": "/hello/you"}
    event = {"version": "2.0", "rawPath": "/hello/you", "requestContext": {"http": http, "stage": "$default"}}
    answer = client.invoke(FunctionName="tools", Payload=json.dumps({**event, "headers": {}}), LogType="Tail")
    assert json.loads(json.load(answer["Payload"])["body"]) == {"hello": "you"}
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert [(r["message"], r["who"], r["cold_start"]) for r in records if "message" in r] == [("greeted", "you", True)]
    assert [r["Hellos"] for r in records if "Hellos" in r] == [[1.0]]
