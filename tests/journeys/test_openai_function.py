"""The example of OpenAI from a Lambda function, with an endpoint that answers from a script."""

import http.server
import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from outcrop.cli import main
from outcrop.testing import StackProcess

EXAMPLE = Path(__file__).parents[2] / "examples" / "openai_function"
KEY = "sk-test-0123456789"


@contextmanager
def endpoint(*answers):
    """An endpoint that gives its answers (status and text) in order, and keeps what it was asked."""
    asked, left = [], list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Authorization"], request["messages"][-1]["content"]))
            status, text = left.pop(0)
            body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with StackProcess(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


def test_the_example_asks_an_endpoint_and_its_key_stays_out_of_the_log(stack, tmp_path):
    (tmp_path / "app.py").write_text(
        (EXAMPLE / "app.py").read_text() + "\nprint('my key is', os.environ['OPENAI_API_KEY'])\n"
    )
    with endpoint((200, "A function in the cloud."), (429, "slow down")) as (url, asked):
        command = ["function", "dev", str(tmp_path), "--name", "ask-openai", "--data", str(stack.data), "--once"]
        assert main([*command, "--env", f"OPENAI_API_KEY={KEY}", "--env", f"OPENAI_BASE_URL={url}"]) == 0

        def ask(event):
            client = stack.client("lambda")
            return json.load(client.invoke(FunctionName="ask-openai", Payload=json.dumps(event).encode())["Payload"])

        good = ask({"question": "What is Lambda?"})
        assert (good["statusCode"], json.loads(good["body"])["answer"]) == (200, "A function in the cloud.")
        assert asked == [("/v1/chat/completions", f"Bearer {KEY}", "What is Lambda?")]
        assert ask({"body": json.dumps({"question": "Again?"})})["statusCode"] == 502
        assert ask({"body": "nonsense"})["statusCode"] == 400
    assert ask({"question": "Anyone there?"})["statusCode"] == 504
    logs, text = stack.client("logs"), ""
    for _ in range(100):
        events = logs.filter_log_events(logGroupName="/aws/lambda/ask-openai")["events"]
        text = "".join(event["message"] for event in events)
        if "answered 429" in text and "can't be reached" in text:
            break
        time.sleep(0.05)
    assert "my key is sk-***" in text
    assert KEY not in text
