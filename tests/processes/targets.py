"""What the workers of these tests run."""

import ctypes
import os
import signal
import time
from collections.abc import Callable


def echo(payload: bytes, report: Callable[[str], None]) -> bytes:
    return payload


def who(payload: bytes, report: Callable[[str], None]) -> bytes:
    return str(os.getpid()).encode()


def environment(payload: bytes, report: Callable[[str], None]) -> bytes:
    return "\n".join(sorted(os.environ)).encode()


def act(payload: bytes, report: Callable[[str], None]) -> bytes:
    """Does what it is told, to see what becomes of it."""
    order = payload.decode()
    report(f"doing {order}")
    match order:
        case "sleep":
            time.sleep(60)
        case "spin":
            while True:
                pass
        case "eat":
            hoard = [bytearray(b"x" * (16 << 20)) for _ in range(1000)]
            return str(len(hoard)).encode()
        case "starve":
            library = ctypes.CDLL(None)
            library.malloc.restype = ctypes.c_void_p
            while address := library.malloc(8 << 20):
                ctypes.memset(address, 1, 8 << 20)
            os.abort()
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(7)
        case "raise":
            raise ValueError("no such thing")
        case "big":
            return b"x" * (3 << 20)
        case "talk":
            print("hello from the worker", flush=True)
            os.write(2, b"y" * 100_000 + b"\nthe end\n")
        case "swell":
            return str(len(bytearray(b"x" * (80 << 20)))).encode()
    return str(os.getpid()).encode()


def chat(channel):
    """Answers every message twice; ends itself when told to."""
    while (message := channel.receive()) is not None:
        if message == b"exit":
            os._exit(3)
        channel.send(message)
        channel.send(message.upper())
