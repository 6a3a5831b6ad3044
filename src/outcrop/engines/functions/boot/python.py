"""Starts a Python function: `python -S -s boot/python.py PACKAGES [LAYER…]`, with `_HANDLER` and `LAMBDA_TASK_ROOT`
in the environment. `-S` hides what this machine's Python has installed; PACKAGES is a folder with what AWS installs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys


def main(packages: str, layers: list[str]) -> None:
    boot = sys.path.pop(0)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # the runtime's own imports come before the function can shadow them
    sys.path.append(packages)
    site.setquit()
    site.sethelper()
    if importlib.util.find_spec("runtime_client") and importlib.util.find_spec("awslambdaric"):
        from awslambdaric import bootstrap, lambda_runtime_client

        run, connect = bootstrap.run, lambda_runtime_client.LambdaRuntimeClient
    else:
        sys.path.insert(0, boot)
        run, connect = importlib.import_module("python_loop").run, str
        sys.path.remove(boot)
    task_root = os.environ["LAMBDA_TASK_ROOT"]
    paths = [task_root]
    for layer in reversed(layers):
        paths += [f"{layer}/python/lib/{version}/site-packages", f"{layer}/python"]
    sys.path[0:0] = paths
    sys.argv[:] = [os.path.join(task_root, "bootstrap.py")]
    run(os.environ["_HANDLER"], connect(os.environ["AWS_LAMBDA_RUNTIME_API"]))


main(sys.argv[1], sys.argv[2:])
