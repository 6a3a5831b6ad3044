"""Functions as child processes that speak the Lambda Runtime API, usable from a notebook:

    host = FunctionHost(owner, Runtimes(cache, search_path="/usr/bin"), directory)
    spec = FunctionSpec("demo", "python3.12", "app.handler", Path("code"))
    outcome = await host.invoke(spec, Invocation("id", b"{}"))

`host` keeps environments warm and few, `environment` is one process and its conversation, `runtime_api` the HTTP it
speaks, `process` its limits, `output` its log lines, `stream` an answer that comes in pieces, `extensions` programs
beside the runtime, `box` the sandbox around it all, `runtimes` how each runtime is started, `archive` how code is
unpacked. Nothing here knows what the function is called elsewhere, who may call it or where its logs go: the `Owner`
does.
"""

from outcrop.engines.functions.host import FunctionHost
from outcrop.engines.functions.launch import RuntimeMissing
from outcrop.engines.functions.runtimes import Runtimes
from outcrop.engines.functions.spec import (
    Busy,
    EnvironmentInfo,
    FunctionSpec,
    Invocation,
    Line,
    Outcome,
    Owner,
    Variables,
)
from outcrop.engines.functions.stream import AnswerStream

__all__ = [
    "AnswerStream",
    "Busy",
    "EnvironmentInfo",
    "FunctionHost",
    "FunctionSpec",
    "Invocation",
    "Line",
    "Outcome",
    "Owner",
    "RuntimeMissing",
    "Runtimes",
    "Variables",
]
