"""Functions in boxes of bubblewrap. Skipped where it isn't installed or may not make namespaces."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.functions.conftest import alive, until

from outcrop.engines.functions.box import Boxes, View
from outcrop.engines.functions.launch import RuntimeMissing


def boxes_work() -> bool:
    command = shutil.which("bwrap")
    trial = ("--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "/bin/true")
    return command is not None and subprocess.run((command, *trial), capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not boxes_work(), reason="bubblewrap doesn't work here")


@pytest.fixture
def boxes(tmp_path):
    return Boxes(tmp_path / "layers", search_path=os.environ["PATH"], wanted="bubblewrap")


@pytest.fixture
def outside(tmp_path):
    """A file of the user's that no function should see."""
    secret = tmp_path / "secret"
    secret.write_text("mine")
    return secret


def answer(outcome):
    assert outcome.status == "success", outcome
    return json.loads(outcome.payload)


def file(path, text, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


async def test_things_lie_where_they_do_on_aws(functions, outside):
    code = """
        import os, sys, boto3
        def handler(event, context):
            open("/tmp/mine", "w").close()
            return {
                "cwd": os.getcwd(), "task": os.environ["LAMBDA_TASK_ROOT"], "file": __file__, "root": os.listdir("/"),
                "tmp": os.listdir("/tmp"), "path": sys.path[0], "boto3": boto3.__file__, "uid": os.getuid(),
                "seen": [path for path in event if os.path.exists(path)], "python": sys.executable,
                "processes": [name for name in os.listdir("/proc") if name.isdecimal()],
            }
    """
    hidden = [str(outside), str(Path.home()), "/etc/shadow", "/root", "/home"]
    outcome = await functions(hidden, code)
    got = answer(outcome)
    assert (got["cwd"], got["task"], got["path"]) == ("/var/task",) * 3
    assert got["file"] == "/var/task/app.py"
    assert got["boto3"].startswith("/var/runtime/boto3/")
    assert got["tmp"] == ["mine"]
    assert got["seen"] == []
    assert got["uid"] == 993
    assert len(got["processes"]) == 2
    assert outcome.max_memory_mb > 5


async def test_nothing_but_tmp_can_be_written(functions):
    code = """
        def handler(event, context):
            failed = []
            for path in event:
                try:
                    open(path, "w").close()
                except OSError as error:
                    failed.append(path)
            return failed
    """
    paths = ["/var/task/app.py", "/var/task/new", "/usr/new", "/etc/hosts", "/var/runtime/boto3/new"]
    assert answer(await functions([*paths, "/tmp/new"], code)) == paths


async def test_layers_are_merged_in_opt(functions, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for layer, text in ((first, "1"), (second, "2")):
        file(layer / "python" / "both.py", f"LAYER = {text}")
        file(layer / "python" / f"only{text}.py", "")
        file(layer / "bin" / f"tool{text}", f"#!/bin/sh\necho tool {text}")
    code = """
        import subprocess, os, both, only1, only2
        def handler(event, context):
            tools = [subprocess.check_output([name], text=True).strip() for name in ("tool1", "tool2")]
            return [both.LAYER, both.__file__, tools, sorted(os.listdir("/opt/python"))[0]]
    """
    got = answer(await functions(None, code, layers=(first, second)))
    assert got[:3] == [2, "/opt/python/both.py", ["tool 1", "tool 2"]]
    assert (first / "python" / "both.py").read_text() == "LAYER = 1"


async def test_a_wrapper_script_of_a_layer_starts_the_runtime(functions, tmp_path):
    file(tmp_path / "layer" / "wrap", '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"')
    code = "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']"
    functions.owner.variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/wrap"
    assert answer(await functions(None, code, layers=(tmp_path / "layer",))) == "yes"


async def test_limits_hold(functions):
    code = """
        import resource
        def handler(event, context):
            return [resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrlimit(resource.RLIMIT_CORE)[0]]
    """
    assert answer(await functions(None, code)) == [1024, 0]
    hungry = "def handler(event, context):\n    held = [bytearray(1 << 20) for _ in range(1000)]"
    assert (await functions(None, hungry)).error_type == "Runtime.OutOfMemory"


async def test_exits_and_signals_are_told_apart(functions):
    code = "import os\ndef handler(event, context):\n    os._exit(event) if event else os.kill(os.getpid(), 9)"
    assert "exit status 3" in (await functions(3, code)).payload.decode()
    assert "signal: killed" in (await functions(0, code)).payload.decode()


async def test_a_daemon_ends_with_its_environment(functions, tmp_path):
    code = """
        import os, time
        def handler(event, context):
            if os.fork() == 0:
                os.setsid()
                if os.fork():
                    os._exit(0)
                os.execve("/bin/sleep", ["outcrop-daemon", "77"], {})
            time.sleep(0.2)
    """
    await functions(None, code)
    (pid,) = [int(p.parent.name) for p in Path("/proc").glob("[0-9]*/cmdline") if b"outcrop-daemon" in read(p)]
    functions.host.retire(functions.spec(code).key)
    await until(lambda: not alive(pid))


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def test_provided_runs_a_bootstrap(functions):
    spec = replace(functions.spec(""), runtime="provided.al2023", key="provided")
    script = """\
        #!/bin/bash
        exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}
        printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3
        while IFS= read -r line <&3; do
            line=${line%$'\\r'}
            [ -z "$line" ] && break
            case $line in Lambda-Runtime-Aws-Request-Id:*) id=${line#*: } ;; esac
        done
        body="\\"$(pwd)\\""
        printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\nHost: x\\r\\n' "$id" >&3
        printf 'Content-Length: %d\\r\\n\\r\\n%s' "${#body}" "$body" >&3
        sleep 5
    """
    file(spec.code / "bootstrap", "\n".join(line[8:] for line in script.splitlines()))
    assert answer(await functions.run(spec, {})) == "/var/task"
    file(spec.code / "bootstrap", "#!/no/such/interpreter")
    outcome = await functions.run(replace(spec, key="broken"), 1)
    assert outcome.error_type == "Runtime.InvalidEntrypoint"
    assert "fork/exec /var/task/bootstrap: " in outcome.payload.decode()


async def test_a_box_is_refused_or_left_out_where_it_does_not_work(functions, tmp_path):
    spec = functions.spec("")
    file(tmp_path / "bwrap", "#!/bin/sh\nexit 1")
    for path in (str(tmp_path), str(tmp_path / "empty")):
        arguments = (spec, tmp_path / "tmp", tmp_path, os.path.realpath(sys.executable))
        assert await Boxes(tmp_path, search_path=path).view(*arguments) == View()
        with pytest.raises(RuntimeMissing, match="Install bubblewrap"):
            await Boxes(tmp_path, search_path=path, wanted="bubblewrap").view(*arguments)


def test_a_view_names_what_lies_below_a_path():
    view = View(names={"/a/code": "/var/task"})
    assert [view("/a/code"), view("/a/code/x"), view("/a/codes"), view("-S")] == [
        "/var/task",
        "/var/task/x",
        "/a/codes",
        "-S",
    ]
