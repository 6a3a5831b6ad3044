"""Finds an Ollama that runs on this machine, without loading an HTTP client for it."""

from __future__ import annotations

import asyncio
import json

_LARGEST = 1 << 20


async def detect_ollama(host: str = "localhost", port: int = 11434, timeout: float = 0.5) -> list[str]:
    """Names of the models that a running Ollama has; empty if none runs or it doesn't answer in `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            answer = await _get(host, port, "/api/tags")
        listing = json.loads(answer)
        return [str(model["name"]) for model in listing["models"]]
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return []


async def _get(host: str, port: int, path: str) -> bytes:
    """The body of a GET over HTTP/1.0, so that the server closes instead of sending chunks."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: application/json\r\n\r\n".encode())
        await writer.drain()
        answer = bytearray()
        while len(answer) < _LARGEST and (part := await reader.read(65536)):
            answer += part
    finally:
        writer.close()
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise ValueError("not an answer of Ollama")
    return body
