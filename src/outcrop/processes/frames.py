"""What parent and worker say to each other: a kind, a length, and that many bytes.

parent -> worker   REQUEST payload
worker -> parent   PROGRESS text (any number), then one of RESULT payload, LAST payload, ERROR {"kind", "message"}
"""

from __future__ import annotations

import struct

HEADER = struct.Struct(">cI")

REQUEST = b"q"
PROGRESS = b"p"
RESULT = b"r"
LAST = b"l"
"""A result, after which the worker leaves."""
ERROR = b"e"


def frame(kind: bytes, payload: bytes) -> bytes:
    return HEADER.pack(kind, len(payload)) + payload
