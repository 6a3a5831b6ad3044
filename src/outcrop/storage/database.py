"""One SQLite file in WAL mode. Reads and writes take microseconds, so they run where they are called; a lock makes
the connection safe to use from threads too. A committed transaction survives `kill -9` (and, with `durable`, the
loss of power)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = sqlite3.Row


class Database:
    """A lazily opened SQLite file with numbered migrations.

    `schema` is a list of SQL scripts; script *n* brings version *n* to *n+1*, is applied once, and is never edited
    after a release: a change is a further script.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._depth = 0
        self._schema: Sequence[str] = ()

    def migrate(self, schema: Sequence[str]) -> None:
        """Declare the schema. It is applied when the file is first used. Call it once, in a store's constructor."""
        self._schema = schema
        if self._connection is not None:
            self._apply_schema(self._connection)

    def read(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """All rows of a query."""
        with self._lock:
            return self._open().execute(sql, parameters).fetchall()

    def read_one(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        with self._lock:
            row: Row | None = self._open().execute(sql, parameters).fetchone()
            return row

    def write(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Run one statement in a transaction of its own (or the enclosing one); answers the number of rows changed."""
        with self.transaction() as connection:
            return connection.execute(sql, parameters).rowcount

    def write_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows in one transaction."""
        with self.transaction() as connection:
            connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit on a clean exit, roll back on an exception. Nested uses join the outermost. Never `await` inside."""
        with self._lock:
            connection = self._open()
            if self._depth:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            else:
                connection.execute("COMMIT")
            finally:
                self._depth = 0

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys=ON")
            self._apply_schema(connection)
            self._connection = connection
        return self._connection

    def _apply_schema(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(self._schema):
            raise RuntimeError(
                f"{self.path} was written by a newer Outcrop (schema {version}, this one knows {len(self._schema)}). "
                "Update Outcrop, or choose another --data directory."
            )
        for number in range(version, len(self._schema)):
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{self._schema[number]};\nPRAGMA user_version={number + 1};\nCOMMIT;"
            )
