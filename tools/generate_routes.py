"""Writes src/outcrop/wire/models/routes.json from the installed botocore. Run by `make types`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore import xform_name

from outcrop.wire.models.source import data_folder, read

SERVICES = (
    "apigateway",
    "apigatewaymanagementapi",
    "apigatewayv2",
    "bedrock",
    "bedrock-agent",
    "bedrock-agent-runtime",
    "bedrock-runtime",
    "cloudwatch",
    "iam",
    "lambda",
    "logs",
    "s3",
    "s3control",
    "s3vectors",
    "schemas",
    "sts",
)
TARGET = Path(__file__).parent.parent / "src/outcrop/wire/models/routes.json"


def generate() -> str:
    """The file's content: one line an operation, so that a change of the models reads as a diff."""
    blocks = []
    for service in SERVICES:
        version = max(folder.name for folder in (data_folder() / service).iterdir() if folder.is_dir())
        model = read(service, version)
        metadata = model["metadata"]
        head = {
            "version": version,
            "protocols": metadata.get("protocols") or [metadata["protocol"]],
            "signing": metadata.get("signingName") or metadata["endpointPrefix"],
            "target": metadata.get("targetPrefix", ""),
        }
        rows = sorted((xform_name(name), _operation(name, spec, model)) for name, spec in model["operations"].items())
        operations = ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in rows)
        fields = ",\n".join(f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
        blocks.append(f'  {json.dumps(service)}: {{\n{fields},\n   "operations": {{\n{operations}\n   }}\n  }}')
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _operation(name: str, spec: dict[str, Any], model: dict[str, Any]) -> list[Any]:
    shape = model["shapes"].get(spec.get("input", {}).get("shape"), {})
    query, headers = [], []
    for member in shape.get("required", ()):
        reference = shape["members"][member]
        wire = reference.get("locationName", member)
        if reference.get("location") == "querystring":
            query.append(wire)
        if reference.get("location") == "header":
            headers.append(wire.lower())
    return [name, spec["http"]["method"], spec["http"]["requestUri"], sorted(query), sorted(headers)]


if __name__ == "__main__":
    TARGET.write_text(generate())
    print(f"wrote {TARGET}")
