"""What a model call costs beside its engine:  python -m benchmarks.models

A scripted endpoint stands for the engine. Each question goes to it directly and through Outcrop (Converse, signed), in
turn; the difference of the medians is the overhead.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from outcrop.testing import StackProcess
from outcrop.testing.llm import Reply, ScriptedEndpoint

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
PIECES = ["word "] * 20


class Engine:
    """The endpoint, on a thread of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.endpoint = ScriptedEndpoint(Reply(PIECES))
        asyncio.run_coroutine_threadsafe(self.endpoint.__aenter__(), self._loop).result(10)


class Caller:
    """Posts one and the same request over a connection that stays open."""

    def __init__(self, url, body, sign):
        self._parts, self._body = urlsplit(url), json.dumps(body).encode()
        self._connection = http.client.HTTPConnection(self._parts.netloc)
        self._headers = {"content-type": "application/json"}
        if sign:
            request = AWSRequest("POST", url, headers=dict(self._headers), data=self._body)
            SigV4Auth(Credentials("test", "test"), "bedrock", "us-east-1").add_auth(request)
            self._headers = dict(request.headers.items())

    def call(self):
        """(milliseconds to the first bytes of the answer's body, to its end)"""
        began = time.perf_counter()
        self._connection.request("POST", self._parts.path, self._body, self._headers)
        answer = self._connection.getresponse()
        answer.read1()
        first = time.perf_counter()
        answer.read()
        ended = time.perf_counter()
        assert answer.status == 200, answer.status
        return (first - began) * 1000, (ended - began) * 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=300)
    runs = parser.parse_args().runs
    engine = Engine()
    with (
        tempfile.TemporaryDirectory(prefix="bench-models-") as data,
        StackProcess(Path(data), "--llm", f"{engine.endpoint.url}#bench") as stack,
    ):
        messages = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
        chat = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        callers = {
            "direct": Caller(f"{engine.endpoint.url}/chat/completions", chat, sign=False),
            "Converse": Caller(f"{stack.url}/model/{MODEL}/converse", messages, sign=True),
            "ConverseStream": Caller(f"{stack.url}/model/{MODEL}/converse-stream", messages, sign=True),
        }
        times = {name: [] for name in callers}
        for run in range(runs + 20):
            for name, caller in callers.items():
                taken = caller.call()
                if run >= 20:
                    times[name].append(taken)
    print(f"{'':<16}{'first token':>14}{'whole answer':>14}   (ms, medians of {runs}; overhead)")
    direct = [statistics.median(column) for column in zip(*times["direct"], strict=True)]
    for name, taken in times.items():
        first, whole = (statistics.median(column) for column in zip(*taken, strict=True))
        more = "" if name == "direct" else f"   +{first - direct[0]:.2f}  +{whole - direct[1]:.2f}"
        print(f"{name:<16}{first:>14.2f}{whole:>14.2f}{more}")


if __name__ == "__main__":
    main()
