"""Where integrations and authorizers lead: Lambda functions and URLs."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_VARIABLE = r"\$\{stageVariables\.\w+\}"
_FUNCTION = rf"arn:aws[\w-]*:lambda:[\w-]+:\d{{12}}:function:(?:[\w-]+|{_VARIABLE})(?::(?:[\w$.-]+|{_VARIABLE}))?"
_FUNCTION_ARN = re.compile(_FUNCTION)
_INVOCATION = re.compile(
    rf"arn:aws[\w-]*:apigateway:[\w-]+:lambda:path/\d{{4}}-\d{{2}}-\d{{2}}/functions/(?P<arn>{_FUNCTION})/invocations"
)


def function_arn(uri: str) -> str | None:
    """The ARN of the function that a URI means: the ARN itself, or
    `arn:aws:apigateway:…:lambda:path/2015-03-31/functions/<ARN>/invocations`. None if it means none."""
    if _FUNCTION_ARN.fullmatch(uri):
        return uri
    found = _INVOCATION.fullmatch(uri)
    return found["arn"] if found else None


def is_web_url(uri: str) -> bool:
    try:
        parts = urlsplit(re.sub(r"\$\{stageVariables\.\w+\}", "variable", uri))
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
