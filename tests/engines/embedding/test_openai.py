"""Against a small real HTTP server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from outcrop.engines.embedding.openai import OpenAIEmbedder
from outcrop.engines.inference.engine import EngineDown, EngineError


class Endpoint:
    """Answers three numbers a text (its length, 1, 0), in reversed order; `failures` are sent first."""

    def __init__(self):
        self.requests = []
        self.failures = []
        self.answer = None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.requests.append((self.path, self.headers.get("authorization"), body))
                if endpoint.failures:
                    self.reply(*endpoint.failures.pop(0))
                elif endpoint.answer is not None:
                    self.reply(200, endpoint.answer)
                else:
                    data = [
                        {"object": "embedding", "index": index, "embedding": [len(text), 1, 0]}
                        for index, text in enumerate(body["input"])
                    ]
                    self.reply(200, json.dumps({"object": "list", "data": data[::-1], "model": "m"}))

            def reply(self, status, text):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def endpoint():
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture
async def embedder(endpoint):
    embedder = OpenAIEmbedder(endpoint.url, "bge-small", "secret", query_prefix="query: ", max_characters=1000)
    await embedder.open()
    endpoint.requests.clear()
    yield embedder
    await embedder.aclose()


async def test_open_learns_the_dimensions(embedder, endpoint):
    assert embedder.dimensions == 3
    assert embedder.name == f"openai:bge-small@127.0.0.1:{endpoint.server.server_port}"
    await embedder.open()
    assert endpoint.requests == []


async def test_embed(embedder, endpoint):
    vectors = await embedder.embed(["a", "bcd"])
    np.testing.assert_allclose(vectors, [[2**-0.5, 2**-0.5, 0], [0.9486833, 0.3162278, 0]], atol=1e-6)
    assert vectors.dtype == np.float32
    body = {"model": "bge-small", "input": ["a", "bcd"], "encoding_format": "float"}
    assert endpoint.requests == [("/v1/embeddings", "Bearer secret", body)]


async def test_embed_nothing(embedder, endpoint):
    assert (await embedder.embed([])).shape == (0, 3)
    assert endpoint.requests == []


async def test_embed_a_query_with_its_prefix(embedder, endpoint):
    await embedder.embed(["why?"], "query")
    assert endpoint.requests[0][2]["input"] == ["query: why?"]


async def test_embed_many_in_batches_in_order(embedder, endpoint):
    vectors = await embedder.embed(["x" * (number % 50 + 1) for number in range(200)])
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], [number % 50 + 1 for number in range(200)], rtol=1e-5)
    assert sorted(len(body["input"]) for _, _, body in endpoint.requests) == [8, 64, 64, 64]


async def test_embed_odd_texts(embedder, endpoint):
    await embedder.embed(["", "\ud800", "x" * 5000])
    assert endpoint.requests[0][2]["input"] == [" ", "?", "x" * 1000]


@pytest.mark.parametrize("status", [429, 503])
async def test_embed_tries_again(embedder, endpoint, status):
    endpoint.failures = [(status, "{}")]
    assert (await embedder.embed(["a"])).shape == (1, 3)
    assert len(endpoint.requests) == 2


async def test_embed_gives_up_at_once_when_it_is_no_use(embedder, endpoint):
    endpoint.failures = [(401, '{"error": {"message": "bad key"}}')]
    with pytest.raises(EngineError, match=r"answered 401: bad key") as caught:
        await embedder.embed(["a"])
    assert caught.value.status == 401
    assert not caught.value.retryable
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON",
        "[]",
        '{"data": 3}',
        '{"data": [{"index": 0}]}',
        '{"data": [{"index": 0, "embedding": "AAAA"}]}',
        '{"data": [{"index": 0, "embedding": [null]}]}',
    ],
)
async def test_embed_refuses_what_is_no_list_of_embeddings(embedder, endpoint, answer):
    endpoint.answer = answer
    with pytest.raises(EngineError, match="no list of embeddings"):
        await embedder.embed(["a"])


@pytest.mark.parametrize("answer", ['{"data": []}', '{"data": [{"index": 0, "embedding": [1, 2]}]}'])
async def test_embed_refuses_the_wrong_number(embedder, endpoint, answer):
    endpoint.answer = answer
    with pytest.raises(EngineError, match="expected 3 dimensions each"):
        await embedder.embed(["a"])


async def test_open_where_nobody_is(endpoint, monkeypatch):
    monkeypatch.setattr("outcrop.engines.embedding.openai.TRIES", 1)
    embedder = OpenAIEmbedder("http://127.0.0.1:9/v1", "m")
    with pytest.raises(EngineDown, match="could not be reached"):
        await embedder.open()
    with pytest.raises(RuntimeError, match="not open"):
        await embedder.embed(["a"])


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/v1", "http://[::1"])
async def test_open_what_is_no_url(url):
    with pytest.raises(EngineError, match="embedding endpoint"):
        await OpenAIEmbedder(url, "m").open()


def test_token_spans():
    embedder = OpenAIEmbedder("http://127.0.0.1:9/v1", "m")
    text = "Knowledge bases, 2024!"
    assert [text[start:end] for start, end in embedder.token_spans(text)] == [
        *("Knowl", "edge", "bases", ",", "2024", "!"),
    ]
    assert embedder.count_tokens(text) == 6
