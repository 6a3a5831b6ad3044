"""`outcrop function`, against a stack in a process of its own."""

import json
import os
import sys

import pytest

from outcrop.cli import main
from outcrop.commands.functions import DevFolder, DevFunction
from outcrop.testing import StackProcess

ROLE = "arn:aws:iam::000000000000:role/dev"


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def invoke(stack, name):
    return json.load(stack.client("lambda").invoke(FunctionName=name)["Payload"])


def test_function_dev_uploads_a_folder_and_again_when_it_changes(stack, tmp_path):
    source = tmp_path / "app.py"
    source.write_text("import helper\ndef handler(event, context):\n    return helper.VALUE")
    (tmp_path / "helper.py").write_text("VALUE = 1")
    folder, said = DevFolder(tmp_path, name="watched"), []
    function = DevFunction(stack.client("lambda"), folder, {"Role": ROLE})
    assert function.sync(said.append)
    assert (invoke(stack, "watched"), function.sync(said.append)) == (1, False)
    (tmp_path / "helper.py").write_text("VALUE = 22")
    assert function.sync(said.append)
    assert invoke(stack, "watched") == 22
    assert "watched is live" in said[0]
    assert "reloaded: helper.py" in said[-1]


def test_function_dev_once(stack, tmp_path, capsys):
    folder = tmp_path / "my tutor"
    folder.mkdir()
    (folder / "lambda_function.py").write_text(
        "import os\ndef lambda_handler(event, context):\n    return os.environ['BOOK']"
    )
    command = ["function", "dev", "--data", str(stack.data), str(folder), "--once"]
    assert main([*command, "--env", "BOOK=one"]) == 0
    assert invoke(stack, "my-tutor") == "one"
    assert main([*command, "--env", "BOOK=two"]) == 0
    assert invoke(stack, "my-tutor") == "two"
    assert "lambda_function.lambda_handler" in capsys.readouterr().out
    assert main([*command, "--runtime", "cobol85"]) == 1


def test_function_dev_refuses(tmp_path, capsys):
    assert main(["function", "dev", "--data", str(tmp_path), str(tmp_path / "none"), "--once"]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert main(["function", "dev", "--data", str(tmp_path), str(tmp_path), "--once"]) == 1
    assert "say --handler" in capsys.readouterr().err
    (tmp_path / "app.py").write_text("def handler(event, context): pass")
    assert main(["function", "dev", "--data", str(tmp_path), str(tmp_path), "--once"]) == 1
    assert "outcrop up" in capsys.readouterr().err


def test_a_folder_tells_its_runtime_and_handler(tmp_path):
    (tmp_path / "index.mjs").write_text("export const handler = () => 1")
    assert (DevFolder(tmp_path).runtime, DevFolder(tmp_path).handler) == ("nodejs22.x", "index.handler")
    (tmp_path / "app.py").write_text("async def handler(event, context): pass")
    assert DevFolder(tmp_path).runtime == f"python3.{sys.version_info.minor}"
    (tmp_path / "bootstrap").write_text("#!/bin/sh")
    os.chmod(tmp_path / "bootstrap", 0o755)
    assert DevFolder(tmp_path).runtime == "provided.al2023"
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("")
    assert set(DevFolder(tmp_path).state()) == {"app.py", "bootstrap", "index.mjs"}
