"""A function of one file, for the commands that speak of it."""

from __future__ import annotations

import io
import sys
import zipfile

from outcrop.testing import StackProcess


def create(stack: StackProcess, name: str, code: str) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", code)
    client = stack.client("lambda")
    client.create_function(
        FunctionName=name,
        Runtime=f"python3.{sys.version_info.minor}",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="app.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return name
