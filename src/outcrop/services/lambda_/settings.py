"""What a function is configured with: checked, defaults filled in, and shown as FunctionConfiguration."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outcrop.engines.functions import Runtimes
from outcrop.services.contract import Request
from outcrop.services.lambda_.code import shown_digest
from outcrop.services.lambda_.errors import InvalidParameterValueException
from outcrop.services.lambda_.names import LATEST
from outcrop.services.lambda_.store import LambdaStore, Version, merged

NAMES = (
    "Runtime",
    "Role",
    "Handler",
    "Description",
    "Timeout",
    "MemorySize",
    "Environment",
    "Layers",
    "TracingConfig",
    "EphemeralStorage",
    "LoggingConfig",
    "DeadLetterConfig",
    "SnapStart",
    "VpcConfig",
    "KMSKeyArn",
    "Architectures",
)
"""The members that functions keep, as the requests name them."""
REFUSED = {
    "FileSystemConfigs": "file systems can't be mounted",
    "ImageConfig": "container images can't run",
    "CapacityProviderConfig": "there are no capacity providers",
    "DurableConfig": "durable executions don't exist",
    "TenancyConfig": "tenants aren't isolated",
    "AcceleratorConfig": "there are no accelerators",
}
RESERVED = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    ]
)
MAX_ENVIRONMENT = 4096
MAX_MEMORY, MAX_TIMEOUT, MAX_STORAGE, MAX_LAYERS = 10_240, 900, 10_240, 5


def create(request: Request) -> dict[str, Any]:
    """The settings of a new function. Raises InvalidParameterValueException."""
    if request.get("PackageType", "Zip") != "Zip":
        raise InvalidParameterValueException(
            "Container images can't run here: Outcrop runs functions as processes. Use PackageType Zip."
        )
    for name in ("Runtime", "Handler"):
        if not request.get(name):
            raise InvalidParameterValueException(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
    defaults = {
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Layers": [],
        "TracingConfig": {"Mode": "PassThrough"},
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None"},
        "LoggingConfig": {},
        "Architectures": ["x86_64"],
    }
    return _checked(merged(defaults, request, NAMES), request)


def update(settings: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Settings with the changes of an UpdateFunctionConfiguration."""
    return _checked(merged(settings, request, NAMES), request)


def _checked(settings: dict[str, Any], request: Request) -> dict[str, Any]:
    for name, reason in REFUSED.items():
        if request.get(name):
            raise InvalidParameterValueException(f"{name} isn't supported by Outcrop: {reason} here.")
    if not Runtimes.supports(settings["Runtime"]):
        raise InvalidParameterValueException(
            f"Runtime {settings['Runtime']} isn't supported by Outcrop. It runs python3.*, nodejs*.x, java*, and "
            "provided* with a bootstrap executable."
        )
    for name, top in (("MemorySize", MAX_MEMORY), ("Timeout", MAX_TIMEOUT)):
        if settings[name] > top:
            member = name[0].lower() + name[1:]
            raise InvalidParameterValueException(
                f"1 validation error detected: Value '{settings[name]}' at '{member}' failed to satisfy constraint: "
                f"Member must have value less than or equal to {top}"
            )
    if settings["EphemeralStorage"]["Size"] > MAX_STORAGE:
        raise InvalidParameterValueException(f"EphemeralStorage may be at most {MAX_STORAGE} MB.")
    if len(settings["Layers"]) > MAX_LAYERS:
        raise InvalidParameterValueException("Cannot reference more than 5 layers.")
    _check_environment(settings.get("Environment", {}).get("Variables", {}))
    if settings.get("DeadLetterConfig", {}).get("TargetArn"):
        raise InvalidParameterValueException(
            "Dead-letter queues aren't supported by Outcrop: it has no SQS and no SNS. Set an OnFailure destination "
            "that is a function (PutFunctionEventInvokeConfig) instead."
        )
    settings["SnapStart"] = {"ApplyOn": settings["SnapStart"].get("ApplyOn", "None")}
    return settings


def _check_environment(variables: Mapping[str, str]) -> None:
    prefix = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided"
    )
    if reserved := sorted(RESERVED & variables.keys()):
        raise InvalidParameterValueException(
            f"{prefix} contains reserved keys that are currently not supported for modification. Reserved keys used in "
            f"this request: {', '.join(reserved)}"
        )
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > MAX_ENVIRONMENT:
        raise InvalidParameterValueException(f"{prefix} exceeded the 4KB limit. String measured: {measured}")
    for name, value in variables.items():
        if "\0" in value or not re.fullmatch(r"[a-zA-Z]([a-zA-Z0-9_])+", name):
            raise InvalidParameterValueException(
                f"1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: "
                f"{name} isn't the name of a variable or has a value with a null character"
            )


def log_group(version: Version) -> str:
    return str(version.settings["LoggingConfig"].get("LogGroup") or f"/aws/lambda/{version.name.name}")


def runtime_version_arn(version: Version) -> str:
    runtime = version.settings["Runtime"]
    return f"arn:aws:lambda:{version.name.region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}+0000"


def describe(store: LambdaStore, version: Version, *, arn: str = "") -> dict[str, Any]:
    """FunctionConfiguration. `arn` is how the caller named it, where that matters."""
    settings = version.settings
    logging = settings["LoggingConfig"]
    shown: dict[str, Any] = {
        "FunctionName": version.name.name,
        "FunctionArn": arn or (version.name.arn if version.version == LATEST else version.name.qualified_arn),
        **{name: settings[name] for name in ("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize")},
        "CodeSize": version.code.size,
        "CodeSha256": shown_digest(version.code),
        "LastModified": timestamp(version.modified_at),
        "Version": version.version,
        "TracingConfig": settings["TracingConfig"],
        "RevisionId": version.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": settings["Architectures"],
        "EphemeralStorage": settings["EphemeralStorage"],
        "SnapStart": {"ApplyOn": settings["SnapStart"]["ApplyOn"], "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": runtime_version_arn(version)},
        "LoggingConfig": {"LogFormat": "Text", **logging, "LogGroup": log_group(version)},
    }
    if settings.get("Environment"):
        shown["Environment"] = {"Variables": settings["Environment"].get("Variables", {})}
    if settings.get("KMSKeyArn"):
        shown["KMSKeyArn"] = settings["KMSKeyArn"]
    if settings.get("VpcConfig"):
        network = settings["VpcConfig"]
        shown["VpcConfig"] = {
            "SubnetIds": network.get("SubnetIds", []),
            "SecurityGroupIds": network.get("SecurityGroupIds", []),
            "VpcId": "",
            "Ipv6AllowedForDualStack": network.get("Ipv6AllowedForDualStack", False),
        }
    if settings["Layers"]:
        shown["Layers"] = [_layer_reference(store, layer_arn) for layer_arn in settings["Layers"]]
    if logging.get("LogFormat") == "JSON":
        shown["LoggingConfig"] = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **shown["LoggingConfig"]}
    if version.version != LATEST:
        shown["MasterArn"] = version.name.arn
    return shown


def _layer_reference(store: LambdaStore, arn: str) -> dict[str, Any]:
    layer = store.layer(arn, deleted=True)
    return {"Arn": arn, "CodeSize": layer.code.size if layer else 0}
