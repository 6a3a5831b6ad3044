"""Servers to measure, each started in a process of its own on a free port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Target:
    """A server: `start()` waits for its first answer and keeps how long that took."""

    def __init__(self, name, command, health):
        self.name, self._command, self._health = name, command, health
        self.ready_seconds = 0.0
        self.url = ""

    def start(self):
        port = free_port()
        self._data = tempfile.mkdtemp(prefix=f"bench-{self.name}-")
        command, environment = self._command(port, self._data)
        began = time.perf_counter()
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self._data
        )
        self.url = f"http://127.0.0.1:{port}"
        while True:
            try:
                urllib.request.urlopen(self.url + self._health, timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if self._process.poll() is not None or time.perf_counter() - began > 30:
                    raise RuntimeError(f"{self.name} did not start") from None
                time.sleep(0.003)
        self.ready_seconds = time.perf_counter() - began
        return self

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._data, ignore_errors=True)

    def memory_mb(self):
        """Resident memory of the server and its children, less what they share."""
        total, pids = 0, [self._process.pid]
        while pids:
            pid = pids.pop()
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                pids += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        return total / 1024

    def client(self, service):
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}, read_timeout=120, s3={"addressing_style": "path"}),
        )


def _outcrop(port, data):
    return [sys.executable, "-m", "outcrop", "up", "--port", str(port), "--data", data, "--log-level", "error"], None


def _beside(program):
    """A program of this environment, or of the PATH."""
    here = Path(sys.executable).parent / program
    return str(here) if here.exists() else shutil.which(program)


def _ministack(port, data):
    import os

    return [_beside("ministack")], {**os.environ, "GATEWAY_PORT": str(port), "HOME": data}


def _moto(port, data):
    return [_beside("moto_server"), "-H", "127.0.0.1", "-p", str(port)], None


TARGETS = {
    "outcrop": lambda: Target("outcrop", _outcrop, "/_outcrop/health"),
    "ministack": lambda: Target("ministack", _ministack, "/_ministack/health"),
    "moto": lambda: Target("moto", _moto, "/moto-api/"),
}
