"""The runtime loop in plain Python, for interpreters on which AWS's `awslambdaric` doesn't import: the same protocol,
errors and log lines. Runs in the function's process, imports nothing of Outcrop and works on Python 3.8 and later."""

from __future__ import annotations

import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

TYPE_CHECKING = False  # `typing` itself would take milliseconds of every start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TextIO

FRAME = 0xA55A0003
NO_BREAK_SPACE = "\u00a0"


class Fault(Exception):
    def __init__(self, kind: str, message: str, stack: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.kind, self.stack = kind, list(stack)


class ClientContext:
    def __init__(self, value: Mapping[str, Any]) -> None:
        self.custom, self.env, self.client = value.get("custom"), value.get("env"), value.get("client")


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = None
        client_context = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = ClientContext(json.loads(client_context)) if client_context else None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline - int(time.time() * 1000))

    def log(self, message: object) -> None:
        sys.stdout.write(str(message))


class Encoder(json.JSONEncoder):
    def default(self, value: object) -> Any:
        if isinstance(value, decimal.Decimal):
            return float(value)
        return super().default(value)


class LogHandler(logging.Handler):
    """Writes a record as one frame, so that one with many lines stays one log entry."""

    request_id = ""

    def __init__(self, descriptor: str) -> None:
        super().__init__()
        self._file = os.fdopen(int(descriptor), "wb", 0)
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)
        self._json = os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self.request_id
        self.write(_as_json(record, self.request_id) if self._json else self.format(record))

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        stamp = time.time_ns() // 1000
        self._file.write(FRAME.to_bytes(4, "big") + len(data).to_bytes(4, "big") + stamp.to_bytes(8, "big") + data)

    def write_error(self, error: Mapping[str, Any]) -> None:
        if self._json:
            self.write(json.dumps({"timestamp": _stamp(time.time()), "level": "ERROR", **error}) + "\n")
            return
        lines = ["[ERROR] {errorType}: {errorMessage}".format(**error), "Traceback (most recent call last):"]
        for entry in error["stackTrace"]:
            for line in entry.splitlines():
                indent = len(line) - len(line.lstrip(" "))
                lines.append(NO_BREAK_SPACE * indent + line[indent:])
        self.write("\n".join(lines))


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _as_json(record: logging.LogRecord, request_id: str) -> str:
    entry: dict[str, Any] = {
        "timestamp": _stamp(record.created),
        "level": record.levelname,
        "message": record.getMessage(),
        "logger": record.name,
        "requestId": request_id,
    }
    if record.exc_info and record.exc_info[0]:
        entry["errorType"] = record.exc_info[0].__name__
        entry["errorMessage"] = str(record.exc_info[1])
        entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
    return json.dumps(entry) + "\n"


class Client:
    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def get(self, path: str) -> tuple[Mapping[str, str], bytes]:
        return self._send("GET", path, None, {})

    def post(self, path: str, body: bytes, error_type: str = "") -> None:
        headers = {"Lambda-Runtime-Function-Error-Type": error_type} if error_type else {}
        self._send("POST", path, body, {"Content-Type": "application/json", **headers})

    def _send(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[Mapping[str, str], bytes]:
        self._connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
        response = self._connection.getresponse()
        return dict(response.headers), response.read()


class Unbuffered:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def find_handler(name: str) -> Callable[[Any, Context], Any]:
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        stack = (f'  File "{error.filename}" Line {error.lineno}\n    {error.text}',)
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, stack) from None
    if not hasattr(module, function_name):
        raise Fault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    handler: Callable[[Any, Context], Any] = getattr(module, function_name)
    return handler


def describe(error: Exception, request_id: str = "") -> dict[str, Any]:
    if isinstance(error, Fault):
        kind, stack = error.kind, error.stack
    else:
        own = os.path.abspath(__file__)
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != own]
        kind, stack = type(error).__name__, traceback.format_list(frames)
    return {"errorMessage": str(error), "errorType": kind, "requestId": request_id, "stackTrace": stack}


def handle(handler: Callable[[Any, Context], Any], headers: Mapping[str, str], body: bytes) -> bytes:
    try:
        event = json.loads(body)
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None
    answer = handler(event, Context(headers))
    try:
        return json.dumps(answer, cls=Encoder).encode()
    except (TypeError, ValueError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def run(handler_name: str, address: str) -> None:
    client = Client(address)
    sys.stdout, sys.stderr = Unbuffered(sys.stdout), Unbuffered(sys.stderr)
    log = LogHandler(os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD"))
    logging.getLogger().addHandler(log)
    if level := os.environ.get("AWS_LAMBDA_LOG_LEVEL"):
        logging.getLogger().setLevel("DEBUG" if level == "TRACE" else level)
    try:
        handler = find_handler(handler_name)
    except Exception as error:
        described = describe(error)
        log.write_error(described)
        client.post("init/error", json.dumps(described).encode(), described["errorType"])
        sys.exit(1)
    while True:
        headers, body = client.get("invocation/next")
        request_id = log.request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        if trace := headers.get("Lambda-Runtime-Trace-Id"):
            os.environ["_X_AMZN_TRACE_ID"] = trace
        try:
            answer = handle(handler, headers, body)
        except Exception as error:
            described = describe(error, request_id)
            log.write_error(described)
            client.post(f"invocation/{request_id}/error", json.dumps(described).encode(), described["errorType"])
        else:
            client.post(f"invocation/{request_id}/response", answer)
