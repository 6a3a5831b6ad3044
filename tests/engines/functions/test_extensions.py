"""Programs beside the runtime, and streamed answers, over the real APIs."""

import asyncio
import json
import socket
import sys
import textwrap

import pytest
from tests.engines.functions.conftest import until

from outcrop.engines.functions import AnswerStream, Invocation

EXTENSION = f"""\
#!{sys.executable}
import http.client, http.server, json, os, threading
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def ask(method, path, headers, body=None):
    runtime.request(method, path, body and json.dumps(body), headers)
    response = runtime.getresponse()
    return response.status, response.headers, response.read()

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        for record in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            note(["telemetry", record["type"], record["record"]])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

def note(entry):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(entry) + "\\n")

listener = http.server.HTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=listener.serve_forever, daemon=True).start()
wanted = {{"events": ["INVOKE", "SHUTDOWN"]}}
status, headers, body = ask("POST", "/2020-01-01/extension/register", {{"Lambda-Extension-Name": "watcher"}}, wanted)
mine = {{"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}}
note(["registered", status, json.loads(body)["handler"]])
uri = "http://sandbox.localdomain:%d/" % listener.server_address[1]
telemetry = {{"types": ["platform", "function"], "destination": {{"protocol": "HTTP", "URI": uri}}}}
note(["subscribed", ask("PUT", "/2022-07-01/telemetry", mine, telemetry)[0]])
note(["stranger", ask("GET", "/2020-01-01/extension/event/next", {{"Lambda-Extension-Identifier": "x"}})[0]])
while True:
    event = json.loads(ask("GET", "/2020-01-01/extension/event/next", mine)[2])
    note([event["eventType"], event.get("requestId") or event.get("shutdownReason")])
    if event["eventType"] == "SHUTDOWN":
        break
"""
PRINTING = "def handler(event, context):\n    print('hello')\n    return context.aws_request_id"


@pytest.fixture
def notes(functions, tmp_path):
    """A layer with an extension; answers what it wrote down."""
    program = tmp_path / "layer" / "extensions" / "watcher"
    program.parent.mkdir(parents=True)
    program.write_text(EXTENSION)
    program.chmod(0o755)
    functions.owner.variables["NOTES"] = str(tmp_path / "notes")

    def read():
        path = tmp_path / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return read


async def test_an_extension_hears_of_invocations_telemetry_and_the_end(functions, notes, tmp_path):
    spec = functions.spec(PRINTING, layers=(tmp_path / "layer",))
    outcome = await functions.run(spec)
    request_id = json.loads(outcome.payload)
    assert notes()[:3] == [["registered", 200, "app.handler"], ["subscribed", 200], ["stranger", 403]]
    await until(lambda: ["INVOKE", request_id] in notes())
    await until(lambda: ["telemetry", "function", "hello\n"] in notes())
    await until(lambda: any(note[:2] == ["telemetry", "platform.report"] for note in notes()))
    assert any(note[:2] == ["telemetry", "platform.start"] for note in notes())
    functions.host.retire(spec.key)
    await until(lambda: ["SHUTDOWN", "spindown"] in notes())


async def test_a_slow_extension_hears_of_every_invocation(functions, notes, tmp_path):
    program = tmp_path / "layer" / "extensions" / "watcher"
    program.write_text(EXTENSION.replace("    if event", "    import time; time.sleep(0.2)\n    if event"))
    spec = functions.spec(PRINTING, layers=(tmp_path / "layer",))
    wanted = {json.loads((await functions.run(spec)).payload) for _ in range(3)}
    await until(lambda: {note[1] for note in notes() if note[0] == "INVOKE"} == wanted)


async def test_an_extension_that_gives_up_ends_the_start(functions, tmp_path):
    program = tmp_path / "layer" / "extensions" / "broken"
    program.parent.mkdir(parents=True)
    program.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import http.client, os
            runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
            runtime.request("POST", "/2020-01-01/extension/register", "{{}}", {{"Lambda-Extension-Name": "broken"}})
            answer = runtime.getresponse()
            answer.read()
            headers = {{
                "Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"],
                "Lambda-Extension-Function-Error-Type": "Extension.NoConfig",
            }}
            runtime.request("POST", "/2020-01-01/extension/init/error", "{{}}", headers)
        """)
    )
    program.chmod(0o755)
    outcome = await functions.run(functions.spec(PRINTING, layers=(tmp_path / "layer",)))
    assert (outcome.status, outcome.error_type) == ("error", "Extension.NoConfig")


STREAMING = """
    import http.client, json, os, socket, time
    def handler(event, context):
        connection = socket.create_connection(os.environ["AWS_LAMBDA_RUNTIME_API"].split(":"))
        head = [
            f"POST /2018-06-01/runtime/invocation/{context.aws_request_id}/response HTTP/1.1", "Host: x",
            "Content-Type: text/plain", "Lambda-Runtime-Function-Response-Mode: streaming",
            "Transfer-Encoding: chunked", "Trailer: Lambda-Runtime-Function-Error-Type", "", "",
        ]
        connection.sendall("\\r\\n".join(head).encode())
        for piece in event["pieces"]:
            connection.sendall(b"%x\\r\\n%s\\r\\n" % (len(piece) * event.get("times", 1), piece.encode() * event.get("times", 1)))
            time.sleep(event.get("pause", 0))
        trailer = "".join(f"{name}: {value}\\r\\n" for name, value in event.get("trailer", {}).items())
        connection.sendall(f"0\\r\\n{trailer}\\r\\n".encode())
        connection.recv(1000)
        time.sleep(60)
"""  # noqa: E501


async def stream(functions, event):
    """The first piece's delay before the end, the pieces, and the outcome."""
    answers = AnswerStream()
    invocation = Invocation("11111111-1111-1111-1111-111111111111", json.dumps(event).encode(), stream=answers)
    running = asyncio.create_task(functions.host.invoke(functions.spec(STREAMING), invocation))
    await asyncio.wait([running, answers.begun], return_when=asyncio.FIRST_COMPLETED)
    early = not running.done()
    pieces = [piece async for piece in answers]
    return early, pieces, await running, answers.content_type


async def test_an_answer_is_streamed_while_it_is_made(functions):
    early, pieces, outcome, content_type = await stream(functions, {"pieces": ["a", "b", "c"], "pause": 0.1})
    assert (early, pieces, content_type) == (True, [b"a", b"b", b"c"], "text/plain")
    assert (outcome.status, outcome.payload) == ("success", b"")


async def test_an_error_in_the_midst_of_a_stream(functions):
    trailer = {
        "Lambda-Runtime-Function-Error-Type": "Broke",
        "Lambda-Runtime-Function-Error-Body": "eyJlcnJvclR5cGUiOiJCcm9rZSJ9",
    }
    _, pieces, outcome, _ = await stream(functions, {"pieces": ["a"], "trailer": trailer})
    assert pieces == [b"a"]
    assert (outcome.status, outcome.error_type, outcome.payload) == ("error", "Broke", b'{"errorType":"Broke"}')


async def test_a_slow_reader_holds_the_function_back_and_loses_nothing(functions):
    answers = AnswerStream()
    event = {"pieces": ["x" * 1024], "times": 20_000}
    invocation = Invocation("22222222-2222-2222-2222-222222222222", json.dumps(event).encode(), stream=answers)
    running = asyncio.create_task(functions.host.invoke(functions.spec(STREAMING), invocation))
    await answers.begun
    await asyncio.sleep(0.3)
    assert not running.done()
    size = 0
    async for piece in answers:
        size += len(piece)
    assert size == 20_000 * 1024
    assert (await running).status == "success"


async def test_a_reader_that_goes_away_does_not_hold_the_function_back(functions):
    answers = AnswerStream()
    event = {"pieces": ["x" * 1024], "times": 20_000}
    invocation = Invocation("33333333-3333-3333-3333-333333333333", json.dumps(event).encode(), stream=answers)
    running = asyncio.create_task(functions.host.invoke(functions.spec(STREAMING), invocation))
    await answers.begun
    answers.abandon()
    assert (await running).status == "success"


ADAPTER = f"""\
#!{sys.executable}
import http.client, json, os, threading, time
address = os.environ["AWS_LAMBDA_RUNTIME_API"]
registration = http.client.HTTPConnection(address)
registration.request("POST", "/2020-01-01/extension/register", "{{}}", {{"Lambda-Extension-Name": "adapter"}})
mine = registration.getresponse()
mine.read()
identifier = {{"Lambda-Extension-Identifier": mine.headers["Lambda-Extension-Identifier"]}}
threading.Thread(
    target=lambda: registration.request("GET", "/2020-01-01/extension/event/next", headers=identifier), daemon=True
).start()

def web(path):
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]))
            connection.request("GET", path)
            return connection.getresponse()
        except OSError:
            time.sleep(0.02)

web("/ready").read()
runtime = http.client.HTTPConnection(address)
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    event = runtime.getresponse()
    path, request_id = json.load(event)["rawPath"], event.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = web(path)
    body = json.dumps({{"statusCode": answer.status, "body": answer.read().decode()}})
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{{request_id}}/response", body)
    runtime.getresponse().read()
"""
WEB = f"""\
#!{sys.executable}
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("page " + self.path).encode()
        self.send_response(200 if self.path != "/none" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""


async def test_a_web_application_behind_an_adapter(functions, tmp_path):
    """As aws-lambda-web-adapter does it: a layer's wrapper starts the application, its extension is the runtime."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        functions.owner.variables["PORT"] = str(probe.getsockname()[1])
    functions.owner.variables["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/bootstrap"
    layer = tmp_path / "layer"
    (layer / "extensions").mkdir(parents=True)
    spec = functions.spec("", handler="run.sh", layers=(layer,))
    for path, text in (
        (layer / "bootstrap", '#!/bin/bash\nexec -- "${LAMBDA_TASK_ROOT}/${_HANDLER}"\n'),
        (layer / "extensions" / "adapter", ADAPTER),
        (spec.code / "run.sh", WEB),
    ):
        path.write_text(text)
        path.chmod(0o755)
    assert json.loads((await functions.run(spec, {"rawPath": "/a"})).payload) == {"statusCode": 200, "body": "page /a"}
    assert json.loads((await functions.run(spec, {"rawPath": "/none"})).payload)["statusCode"] == 404
    assert functions.host.environments == 1
