"""A stack in a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

START_SECONDS = 30


class StackProcess:
    """`outcrop up` on a free port over `data`; stops at the end of the `with` block.

    `options` go to the command line. Raises RuntimeError with the server's log if it doesn't start.
    """

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.url = ""
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point any AWS client at the stack."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def pid(self) -> int:
        assert self._process is not None, "the stack isn't started"
        return self._process.pid

    @property
    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "server.log").read_text(errors="replace")
        return ""

    def start(self) -> StackProcess:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "server.json").unlink(missing_ok=True)
        with (self.data / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "outcrop", "up", "--port", "0", "--data", str(self.data), *self._options],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.url = json.loads((self.data / "server.json").read_text())["url"]
                with urllib.request.urlopen(f"{self.url}/_outcrop/health", timeout=5):
                    return self
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"the stack did not start:\n{self.log}")

    def stop(self) -> int:
        """Stop it as Ctrl-C does; answers the exit status."""
        assert self._process is not None, "the stack isn't started"
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of this stack."""
        import boto3

        return boto3.client(
            service,
            **{
                "endpoint_url": self.url,
                "aws_access_key_id": "test",
                "aws_secret_access_key": "test",
                "region_name": "us-east-1",
                **options,
            },
        )

    def __enter__(self) -> StackProcess:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
