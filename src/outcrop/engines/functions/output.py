"""A function's output, cut into log lines.

Runtimes write to one pipe: plain text, where each line is an entry, and (from runtimes that know the telemetry
protocol) frames, where an entry may have many lines: four bytes that begin a5 5a 00, four of length, eight of
time in microseconds, then the text."""

from __future__ import annotations

import time

from outcrop.engines.functions.spec import Line

MAX_LINE = 256 * 1024
MAGIC = b"\xa5\x5a\x00"
HEADER = 16


class LineSplitter:
    """Feed it bytes as they come; it answers whole lines and keeps the rest. Lines longer than 256 KB are cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Line]:
        data = self._rest + data if self._rest else data
        lines: list[Line] = []
        now = time.time_ns() // 1_000_000
        while (at := data.find(MAGIC)) >= 0:
            if len(data) < at + HEADER:
                break
            size = int.from_bytes(data[at + 4 : at + 8], "big")
            if size > 4 * MAX_LINE:  # not a frame: a program that prints such bytes
                lines += _text(data[: at + 3], now, whole=True)
                data = data[at + 3 :]
                continue
            end = at + HEADER + size
            if len(data) < end:
                break
            if at:
                lines += _text(data[:at], now, whole=True)
            stamp = int.from_bytes(data[at + 8 : at + HEADER], "big") // 1000
            lines += ((stamp, text) for text in _cut(data[at + HEADER : end]))
            data = data[end:]
        frame = data.find(MAGIC)
        cut = data.rfind(b"\n", 0, frame if frame >= 0 else None) + 1
        if cut:
            lines += _text(data[:cut], now)
            data = data[cut:]
        while frame < 0 and len(data) > MAX_LINE:
            lines.append((now, data[:MAX_LINE].decode("utf-8", "replace")))
            data = data[MAX_LINE:]
        self._rest = data
        return lines

    def flush(self) -> list[Line]:
        """What was written without a line end."""
        rest, self._rest = self._rest, b""
        return _text(rest, time.time_ns() // 1_000_000, whole=True) if rest else []


def _text(data: bytes, now: int, *, whole: bool = False) -> list[Line]:
    """Lines with their ends; `whole`: what stands behind the last end, too."""
    if len(data) > MAX_LINE:
        *ended, rest = data.split(b"\n")
        pieces = [*(line + b"\n" for line in ended), rest]
        return [(now, text) for line in pieces for text in _cut(line)]
    lines = data.decode("utf-8", "replace").split("\n")
    last = lines.pop()
    entries = [(now, line + "\n") for line in lines]
    if last and whole:
        entries.append((now, last))
    return entries


def _cut(line: bytes) -> list[str]:
    return [line[start : start + MAX_LINE].decode("utf-8", "replace") for start in range(0, len(line), MAX_LINE)]
