import asyncio
import contextlib

import pytest

from outcrop.engines.inference.ollama import detect_ollama

LISTING = b'{"models": [{"name": "llama3.2:latest"}, {"name": "qwen3:4b"}]}'


@pytest.fixture
async def serve():
    """Starts a server that gives one answer; answers its port."""
    servers = []
    stop, done = asyncio.Event(), asyncio.Event()

    async def start(answer):
        async def handle(reader, writer):
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(b"GET /api/tags HTTP/1.0\r\n")
            if answer is None:
                await stop.wait()
            writer.write(answer or b"")
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            done.set()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    stop.set()
    for server in servers:
        server.close()
    if servers:
        await done.wait()


async def test_detect_ollama_lists_its_models(serve):
    port = await serve(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + LISTING)
    assert await detect_ollama("127.0.0.1", port) == ["llama3.2:latest", "qwen3:4b"]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.0 404 Not Found\r\n\r\n" + LISTING, b"HTTP/1.0 200 OK\r\n\r\n[]", b"garbage", b""]
)
async def test_detect_ollama_is_not_fooled(serve, answer):
    assert await detect_ollama("127.0.0.1", await serve(answer)) == []


async def test_detect_ollama_finds_nothing_where_nothing_runs(unused_tcp_port):
    assert await detect_ollama("127.0.0.1", unused_tcp_port) == []


@pytest.mark.timeout(60)
async def test_detect_ollama_does_not_wait_long(serve):
    port = await serve(None)
    assert await detect_ollama("127.0.0.1", port, timeout=0.1) == []
