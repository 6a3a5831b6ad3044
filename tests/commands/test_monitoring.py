"""`outcrop logs` and `outcrop function stats` on a running stack."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

import pytest
from tests.commands.functions import create

from outcrop.commands.function_stats import bars
from outcrop.commands.logs import span, table

CODE = 'def handler(event, context):\n    print("said", event)\n    return 1 / event["by"]\n'


def outcrop(stack, *arguments):
    command = [sys.executable, "-m", "outcrop", *arguments, "--data", str(stack.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def function(outcrop_stack):
    name, client = create(outcrop_stack, "watched", CODE), outcrop_stack.client("lambda")
    for by in (b'{"by": 1}', b'{"by": 2}', b'{"by": 0}'):
        client.invoke(FunctionName=name, Payload=by)
    logs, deadline = outcrop_stack.client("logs"), time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):  # the group is made with its first lines
            if len(logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="REPORT")["events"]) == 3:
                break
        time.sleep(0.05)
    time.sleep(1.5)  # metrics are written once a second
    return name


def test_logs(outcrop_stack, function):
    shown = outcrop(outcrop_stack, "logs", function)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("REPORT RequestId") == 3
    assert "said {'by': 2}" in shown.stdout
    filtered = outcrop(outcrop_stack, "logs", function, "--filter", '"by\': 2"')
    assert len(filtered.stdout.splitlines()) == 1
    assert f"/aws/lambda/{function}" in outcrop(outcrop_stack, "logs").stdout


def test_logs_query(outcrop_stack, function):
    shown = outcrop(outcrop_stack, "logs", function, "--query", "filter @message like /said/ | stats count(*) as lines")
    assert shown.stdout.split() == ["lines", "─────", "3"]
    wrong = outcrop(outcrop_stack, "logs", function, "--query", "nonsense")
    assert (wrong.returncode, "unexpected symbol found nonsense" in wrong.stderr) == (1, True)


def test_logs_of_nothing(outcrop_stack):
    missing = outcrop(outcrop_stack, "logs", "nobody")
    assert missing.returncode == 1
    assert "there is no log group nobody or /aws/lambda/nobody" in missing.stderr


def test_function_stats(outcrop_stack, function):
    shown = outcrop(outcrop_stack, "function", "stats", function)
    assert shown.returncode == 0, shown.stderr
    lines = {line.split("  ")[1].strip(): line for line in shown.stdout.splitlines() if line.startswith("  ")}
    assert lines["invocations"].endswith("3 in all")
    assert lines["errors"].endswith("1 in all")
    assert "█" in lines["invocations"]
    assert "MB at most, of 128 MB" in lines["memory"]
    missing = outcrop(outcrop_stack, "function", "stats", "nobody")
    assert (missing.returncode, "ResourceNotFoundException" in missing.stderr) == (1, True)


def test_without_a_stack(tmp_path):
    command = [sys.executable, "-m", "outcrop", "logs", "--data", str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (shown.returncode, "no stack runs" in shown.stderr) == (1, True)


def test_bars():
    assert bars([None, 0, 1, 4, 8]) == "·▁▂▅█"
    assert bars([0, 0]) == "··"


def test_span():
    assert [span(text) for text in ("30s", "10m", "2h", "1d")] == [30, 600, 7200, 86400]


def test_table():
    assert list(table([{"a": "1"}, {"a": "22", "b": "x\ny"}])) == ["a   b", "──  ─────", "1", "22  x ⏎ y"]
