import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engines.functions.conftest import alive, until

from outcrop.engines.functions import Busy, Invocation, RuntimeMissing, Runtimes

ECHO = """
    import os
    def handler(event, context):
        return {"event": event, "pid": os.getpid()}
"""


def answer(outcome):
    assert outcome.status == "success", outcome
    return json.loads(outcome.payload)


# outcomes


async def test_invoke_answers_what_the_handler_returns_and_keeps_the_process(functions):
    first = await functions({"a": 1}, ECHO)
    second = await functions({"a": 2}, ECHO)
    assert answer(first)["event"] == {"a": 1}
    assert answer(first)["pid"] == answer(second)["pid"]
    assert first.init_ms > 0
    assert second.init_ms is None
    assert first.duration_ms < 1000
    assert 5 < first.max_memory_mb < 100
    assert functions.host.environments == 1


async def test_invoke_gives_the_context_of_the_invocation(functions):
    functions.owner.variables = {"AWS_LAMBDA_FUNCTION_NAME": "tutor", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
    spec = functions.spec("""
        import os
        def handler(event, context):
            return {
                "id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
                "memory": context.memory_limit_in_mb, "left": context.get_remaining_time_in_millis(),
                "client": context.client_context.custom, "trace": os.environ["_X_AMZN_TRACE_ID"],
            }
    """)
    context = json.dumps({"custom": {"user": "Zoë"}}, indent=1)
    outcome = await functions.host.invoke(spec, Invocation("id-1", b"{}", "arn:x", context, "Root=1"))
    got = answer(outcome)
    assert 5000 < got.pop("left") <= 10_000
    assert got == {
        "id": "id-1",
        "arn": "arn:x",
        "name": "tutor",
        "memory": "256",
        "client": {"user": "Zoë"},
        "trace": "Root=1",
    }


async def test_invoke_reports_an_exception_with_its_stack_and_keeps_the_process(functions):
    code = """
        import os
        def inner():
            raise KeyError("Schlüssel")
        def handler(event, context):
            return os.getpid() if event == "ok" else inner()
    """
    before = await functions("ok", code)
    outcome = await functions("fail", code)
    error = json.loads(outcome.payload)
    assert outcome.status == "error"
    assert outcome.error_type == error["errorType"] == "KeyError"
    assert error["errorMessage"] == "'Schlüssel'"
    assert "in handler" in error["stackTrace"][0]
    assert "in inner" in error["stackTrace"][1]
    assert before.payload == (await functions("ok", code)).payload


@pytest.mark.parametrize(
    ("handler", "code", "kind", "message"),
    [
        (
            "nowhere.handler",
            "",
            "Runtime.ImportModuleError",
            "Unable to import module 'nowhere': No module named 'nowhere'",
        ),
        (
            "app.handler",
            "import numpy",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'numpy'",
        ),
        ("app.gone", "", "Runtime.HandlerNotFound", "Handler 'gone' missing on module 'app'"),
        ("app", "", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
        ("app.handler", "def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("app.handler", "1 / 0", "ZeroDivisionError", "division by zero"),
        ("app.handler", "import sys; sys.exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    ],
)
@pytest.mark.parametrize("loop", ["awslambdaric", "own"])
async def test_invoke_reports_a_failed_start(make_host, tmp_path, handler, code, kind, message, loop):
    functions = make_host(**({"runtimes": OwnLoop(tmp_path, search_path="")} if loop == "own" else {}))
    outcome = await functions(None, code, handler=handler)
    error = json.loads(outcome.payload)
    assert outcome.status == "error"
    assert outcome.error_type == kind
    assert message in error["errorMessage"]
    assert ("init failed", kind) in functions.owner.events
    await until(lambda: functions.host.environments == 0)


class OwnLoop(Runtimes):
    """Without AWS's packages, as where they can't be installed."""

    def _link_packages(self) -> Path:
        folder = self._cache / "none"
        folder.mkdir(exist_ok=True)
        return folder


async def test_own_loop_does_what_awslambdaric_does(make_host, tmp_path):
    functions = make_host(runtimes=OwnLoop(tmp_path, search_path=""))
    code = """
        import decimal, logging, os, sys
        def handler(event, context):
            assert "awslambdaric" not in sys.modules
            print("printed")
            logging.getLogger().warning("first\\nsecond")
            if event == "fail":
                raise ValueError("no")
            if event == "type":
                return object()
            return {"event": event, "left": context.get_remaining_time_in_millis() > 0, "n": decimal.Decimal("1.5")}
    """
    assert answer(await functions("ü", code)) == {"event": "ü", "left": True, "n": 1.5}
    failed = await functions("fail", code)
    assert failed.error_type == "ValueError"
    assert "in handler" in json.loads(failed.payload)["stackTrace"][0]
    assert (await functions("type", code)).error_type == "Runtime.MarshalError"
    assert "printed\n" in functions.owner.text
    warning = next(text for kind, text in functions.owner.events if "[WARNING]" in text)
    assert warning.startswith("[WARNING]\t20")
    assert warning.endswith("first\nsecond\n")
    assert functions.host.environments == 1


async def test_invoke_reports_an_exit(functions):
    code = "import os\ndef handler(event, context):\n    os._exit(event)"
    outcome = await functions(7, code)
    error = json.loads(outcome.payload)
    assert outcome.error_type == error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].startswith("RequestId: ")
    assert error["errorMessage"].endswith(" Error: Runtime exited with error: exit status 7")
    assert b"without providing a reason" in (await functions(0, code)).payload
    await until(lambda: functions.host.environments == 0)


async def test_invoke_reports_a_signal(functions):
    outcome = await functions(None, "import os\ndef handler(event, context):\n    os.kill(os.getpid(), 11)")
    assert b"Runtime exited with error: signal: segmentation fault" in outcome.payload


@pytest.mark.timeout(60)
async def test_invoke_times_out_and_kills_the_whole_group(functions, tmp_path):
    code = f"""
        import os, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "60"])
            loner = subprocess.Popen(["sleep", "60"], start_new_session=True)
            open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child.pid}} {{loner.pid}}")
            time.sleep(60)
    """
    outcome = await functions(None, code, timeout_s=0.5)
    assert outcome.status == "timeout"
    assert outcome.duration_ms == 500
    error = json.loads(outcome.payload)
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 0.50 seconds")
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    await until(lambda: not any(map(alive, pids)))
    assert functions.host.environments == 0


async def test_invoke_times_out_in_a_slow_start(make_host, monkeypatch):
    monkeypatch.setattr("outcrop.engines.functions.environment.INIT_SECONDS", 0.3)
    functions = make_host()
    outcome = await functions(None, "import time\ntime.sleep(60)", timeout_s=0.2)
    assert outcome.status == "timeout"
    assert ("init failed", "Sandbox.Timedout") in functions.owner.events


async def test_invoke_kills_what_uses_too_much_memory(functions):
    code = """
        def handler(event, context):
            hoard = []
            while True:
                hoard.append(bytearray(b"x" * 10_000_000))
    """
    outcome = await functions(None, code, memory_mb=128)
    assert outcome.error_type == "Runtime.OutOfMemory"
    assert json.loads(outcome.payload)["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert outcome.max_memory_mb == 128
    await until(lambda: functions.host.environments == 0)


async def test_invoke_counts_the_memory_of_children(functions):
    code = """
        import subprocess, sys
        def handler(event, context):
            subprocess.run([sys.executable, "-c", "x = bytearray(b'x' * 300_000_000); import time; time.sleep(30)"])
    """
    assert (await functions(None, code, memory_mb=128)).error_type == "Runtime.OutOfMemory"


async def test_invoke_counts_memory_that_forked_processes_share_once(functions):
    code = """
        import os, time
        shared = bytearray(b"x" * 60_000_000)
        def handler(event, context):
            for _ in range(10):
                if os.fork() == 0:
                    time.sleep(60)
            time.sleep(0.4)
            return "ok"
    """
    assert answer(await functions(None, code, memory_mb=160)) == "ok"


async def test_invoke_ends_a_fork_bomb(functions):
    code = """
        import os, time
        def handler(event, context):
            for _ in range(4000):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
            time.sleep(60)
    """
    outcome = await functions(None, code, memory_mb=10_000, timeout_s=30.0)
    assert outcome.status == "error"
    assert b"signal: killed" in outcome.payload
    await until(lambda: functions.host.environments == 0)


async def test_invoke_refuses_an_answer_over_six_megabytes(functions):
    code = "def handler(event, context):\n    return 'x' * event"
    assert len((await functions(6 * 1024 * 1024, code)).payload) == 6 * 1024 * 1024 + 2
    outcome = await functions(7_000_000, code)
    assert outcome.error_type == "Function.ResponseSizeTooLarge"
    message = "Response payload size (7000002 bytes) exceeded maximum allowed payload size (6291556 bytes)."
    assert json.loads(outcome.payload)["errorMessage"] == message
    assert answer(await functions(3, code)) == "xxx"


async def test_invoke_passes_a_large_event(functions):
    event = "ü" * 1_000_000
    assert answer(await functions(event, "def handler(event, context):\n    return len(event)")) == 1_000_000


# what a function sees


async def test_the_environment_is_clean(functions, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    functions.owner.variables = {"MINE": "1"}
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)"
    got = answer(await functions(None, code))
    assert "SECRET_OF_THE_SERVER" not in got
    assert got["MINE"] == "1"
    assert got["TZ"] == ":UTC"
    assert got["_HANDLER"] == "app.handler"
    assert got["LAMBDA_TASK_ROOT"] == str(functions.spec(code).code)
    assert not {"VIRTUAL_ENV", "PYTHONPATH", "_LAMBDA_TELEMETRY_LOG_FD"} & got.keys()


async def test_the_code_comes_first_and_boto3_is_there_without_what_else_is_installed(functions):
    spec = functions.spec("""
        import importlib.util, os, six, sys
        def handler(event, context):
            found = [name for name in ("boto3", "numpy", "pytest", "outcrop") if importlib.util.find_spec(name)]
            return {"found": found, "six": six.MINE, "cwd": os.getcwd(), "first": sys.path[0], "exit": repr(exit)}
    """)
    (spec.code / "six.py").write_text("MINE = 1")
    got = answer(await functions.run(spec))
    assert got["found"] == ["boto3"]
    assert got["six"] == 1
    assert got["cwd"] == got["first"] == str(spec.code)
    assert "exit" in got["exit"]


async def test_layers_lie_behind_the_code_the_last_one_first(functions, tmp_path):
    for number, names in (("1", "ab"), ("2", "b")):
        folder = tmp_path / number / "python"
        folder.mkdir(parents=True)
        for name in names:
            (folder / f"{name}.py").write_text(f"LAYER = {number}")
    spec = functions.spec("import a, b\ndef handler(event, context):\n    return [a.LAYER, b.LAYER]")
    outcome = await functions.run(replace(spec, layers=(tmp_path / "1", tmp_path / "2")))
    assert answer(outcome) == [1, 2]


async def test_temporary_files_are_private_and_removed(functions):
    code = """
        import os, tempfile
        def handler(event, context):
            with open(os.path.join(tempfile.gettempdir(), "kept"), "a") as file:
                file.write("x")
            return tempfile.gettempdir(), os.path.getsize(file.name)
    """
    folder, size = answer(await functions(None, code))
    assert size == 1
    assert answer(await functions(None, code)) == [folder, 2]
    functions.host.retire(functions.spec(code).key)
    await until(lambda: not Path(folder).exists())


async def test_provided_runs_an_executable_bootstrap(functions):
    spec = replace(functions.spec(""), runtime="provided.al2023", key="provided")
    bootstrap = spec.code / "bootstrap"
    bootstrap.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import os, urllib.request
            base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
            while True:
                with urllib.request.urlopen(base + "invocation/next") as response:
                    event, request_id = response.read(), response.headers["Lambda-Runtime-Aws-Request-Id"]
                chunks = iter([b"[", event, b"]"])
                headers = {{"Transfer-Encoding": "chunked", "Content-Type": "application/json"}}
                url = base + "invocation/" + request_id + "/response"
                urllib.request.urlopen(urllib.request.Request(url, chunks, headers, method="POST")).read()
        """)
    )
    with pytest.raises(RuntimeMissing, match=r"Couldn't find valid bootstrap"):
        await functions.run(spec, 1)
    bootstrap.chmod(0o755)
    assert answer(await functions.run(spec, 1)) == [1]
    assert answer(await functions.run(spec, 2)) == [2]
    bootstrap.write_text("#!/no/such/interpreter")
    outcome = await functions.run(replace(spec, key="broken"), 1)
    assert outcome.error_type == "Runtime.InvalidEntrypoint"


async def test_a_missing_python_is_refused_or_replaced_by_the_nearest(make_host, cache, tmp_path):
    strict = make_host(runtimes=Runtimes(cache, search_path="", nearest=False))
    with pytest.raises(RuntimeMissing, match=r"no Python 3\.99"):
        await strict(None, ECHO, runtime="python3.99")
    helpful = make_host(runtimes=Runtimes(cache, search_path=""))
    version = f"python3.{sys.version_info.minor + 1}"
    answer(await helpful(None, ECHO, runtime=version))
    note = f"{version} isn't installed here: running on Python 3.{sys.version_info.minor}"
    assert helpful.owner.events[0] == ("init", note)


# output


async def test_output_is_heard_before_the_end_and_records_stay_whole(functions):
    code = """
        import logging, sys
        print("at init")
        def handler(event, context):
            print("one\\ntwo")
            print("to stderr", file=sys.stderr)
            logging.getLogger().error("a record\\nof two lines")
            print("without end", end="")
    """
    await functions(None, code)
    events = [text if kind == "line" else kind for kind, text in functions.owner.events]
    assert events[:2] == ["init", "at init\n"]
    assert events[2:6] == ["start", "one\n", "two\n", "to stderr\n"]
    assert events[6].endswith("a record\nof two lines\n")
    assert events[-1] == "end"
    functions.host.retire(functions.spec(code).key)
    await until(lambda: functions.host.environments == 0)
    assert "without end" in functions.owner.text


async def test_a_flood_of_output_reaches_the_owner_and_holds_nobody_up(functions):
    flood = functions(
        None, "def handler(event, context):\n    for i in range(200_000):\n        print('line', i)", timeout_s=30.0
    )
    task = asyncio.create_task(flood)
    await functions(None, ECHO)
    slowest = 0.0
    while not task.done():
        started = time.perf_counter()
        await functions(None, ECHO)
        slowest = max(slowest, time.perf_counter() - started)
    assert (await task).status == "success"
    assert functions.owner.text.count("\n") == 200_000
    assert slowest < 0.5


async def test_output_waits_for_an_owner_that_is_full(functions):
    functions.owner.takes = 10
    code = "def handler(event, context):\n    for i in range(300_000):\n        print('x' * 50)"
    task = asyncio.create_task(functions(None, code, timeout_s=20.0))
    await until(lambda: functions.owner.takes <= 0)
    await asyncio.sleep(0.3)
    assert not task.done()
    assert functions.owner.text.count("\n") < 30_000
    functions.owner.takes = 1 << 60
    for environment in list(functions.host._all):
        functions.host.resume(environment)
    assert (await task).status == "success"
    assert functions.owner.text.count("\n") == 300_000


# many at once


@pytest.mark.timeout(60)
async def test_concurrent_invocations_run_in_processes_of_their_own(functions):
    code = "import os, time\ndef handler(event, context):\n    time.sleep(0.5)\n    return os.getpid()"
    pids = [answer(outcome) for outcome in await asyncio.gather(*(functions(None, code) for _ in range(8)))]
    assert len(set(pids)) == 8
    assert answer(await functions(None, code)) in pids


async def test_many_clients_share_few_environments(functions):
    async def client():
        for number in range(50):
            assert answer(await functions(number, ECHO))["event"] == number

    await asyncio.gather(*(client() for _ in range(16)))
    assert functions.host.environments <= 24


async def test_invoke_waits_for_room_then_says_that_all_are_busy(make_host):
    functions = make_host(max_environments=2, patience=0.2)
    slow = "import time\ndef handler(event, context):\n    time.sleep(event)"
    busy = [asyncio.create_task(functions(1.5, slow)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(Busy):
        await functions(None, ECHO)
    await asyncio.gather(*busy)
    answer(await functions(None, ECHO))
    assert functions.host.environments == 2


@pytest.mark.timeout(60)
async def test_invoke_gets_room_as_soon_as_there_is_some(make_host):
    functions = make_host(max_environments=1, patience=10.0)
    slow = asyncio.create_task(functions(0.5, "import time\ndef handler(event, context):\n    time.sleep(event)"))
    await asyncio.sleep(0.1)
    answer(await functions(None, ECHO))
    assert (await slow).status == "success"


async def test_a_function_may_call_another_of_a_full_house(make_host):
    """Nested calls end in Busy at worst, never in a deadlock."""
    functions = make_host(max_environments=1, patience=0.2)
    outer = asyncio.create_task(functions(1, "import time\ndef handler(event, context):\n    time.sleep(event)"))
    await asyncio.sleep(0.2)
    with pytest.raises(Busy):
        await functions(None, ECHO)
    assert (await outer).status == "success"


# the lives of environments


async def test_idle_environments_end(make_host, monkeypatch):
    monkeypatch.setattr("outcrop.engines.functions.host.SWEEP_SECONDS", 0.05)
    functions = make_host(idle_seconds=0.1)
    pid = answer(await functions(None, ECHO))["pid"]
    await until(lambda: functions.host.environments == 0 and not alive(pid))
    assert answer(await functions(None, ECHO))["pid"] != pid


async def test_environments_whose_variables_expire_are_replaced(functions):
    functions.owner.expires_at = time.time() + 1
    first = answer(await functions(None, ECHO))["pid"]
    assert answer(await functions(None, ECHO))["pid"] != first


async def test_retire_lets_running_work_end(functions):
    code = "import os, time\ndef handler(event, context):\n    time.sleep(0.4)\n    return os.getpid()"
    running = asyncio.create_task(functions(None, code))
    await until(lambda: functions.owner.last == "start")
    functions.host.retire(functions.spec(code).key)
    pid = answer(await running)
    await until(lambda: not alive(pid))
    assert answer(await functions(None, code)) != pid


async def test_a_daemon_ends_with_its_environment(functions, tmp_path):
    code = f"""
        import os, time
        def handler(event, context):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
                    time.sleep(60)
                os._exit(0)
    """
    await functions(None, code)
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    functions.host.retire(functions.spec(code).key)
    await until(lambda: not alive(pid))


async def test_an_environment_that_dies_idle_is_replaced(functions):
    pid = answer(await functions(None, ECHO))["pid"]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: functions.host.environments == 0)
    assert answer(await functions(None, ECHO))["pid"] != pid


async def test_an_invocation_whose_caller_goes_away_runs_on(functions, tmp_path):
    mark = tmp_path / "mark"
    code = f"""
        import time
        def handler(event, context):
            time.sleep(0.4)
            open({str(mark)!r}, "w").close()
    """
    task = asyncio.create_task(functions(None, code))
    await until(lambda: functions.owner.last == "start")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(mark.exists)
    await until(lambda: functions.owner.last == "end")
    assert (await functions(None, code)).init_ms is None


async def test_aclose_kills_everything(make_host):
    functions = make_host()
    pid = answer(await functions(None, ECHO))["pid"]
    slow = asyncio.create_task(functions(None, "import time\ndef handler(event, context):\n    time.sleep(60)"))
    starting = asyncio.create_task(functions(None, "import time\ntime.sleep(60)"))
    await until(lambda: functions.host.environments == 3 and functions.owner.last == "start")
    await functions.host.aclose()
    assert not alive(pid)
    assert functions.host.environments == 0
    assert (await slow).status == "error"
    with pytest.raises(Busy):
        await starting


def test_no_process_outlives_a_killed_server(tmp_path, cache):
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            import os, subprocess
            def handler(event, context):
                return [os.getpid(), subprocess.Popen(["sleep", "60"]).pid]
        """)
    )
    script = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from outcrop.engines.functions import FunctionHost, FunctionSpec, Invocation, Runtimes
        from tests.engines.functions.conftest import Recorder

        async def main():
            runtimes = Runtimes(Path({str(cache)!r}), search_path="")
            host = FunctionHost(Recorder(), runtimes, Path({str(tmp_path / "env")!r}))
            spec = FunctionSpec("k", "python3.{sys.version_info.minor}", "app.handler", Path({str(tmp_path)!r}))
            outcome = await host.invoke(spec, Invocation("1", b"null"))
            print(outcome.payload.decode(), flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root) as server:
        pids = json.loads(server.stdout.readline())
        assert all(map(alive, pids))
        server.kill()
    asyncio.run(until(lambda: not any(map(alive, pids))))


async def test_an_environment_can_only_end_its_own_invocation(functions):
    code = """
        import http.client, os
        def handler(event, context):
            connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
            statuses = []
            for method, path in event:
                connection.request(method, path, b"{}" if method == "POST" else None)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            return statuses
    """
    base = "/2018-06-01/runtime/"
    asked = [
        ("POST", f"{base}invocation/another/response"),
        ("GET", "/"),
        ("PUT", f"{base}init/error"),
        ("GET", "/" * 9000),
    ]
    assert answer(await functions(asked, code)) == [400, 404, 404, 404]
