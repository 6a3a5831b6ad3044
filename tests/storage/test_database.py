from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from outcrop.storage import Database

SCHEMA = ["CREATE TABLE t (k TEXT PRIMARY KEY, v INTEGER)"]


def opened(path: Path, schema: list[str] = SCHEMA) -> Database:
    database = Database(path / "d.sqlite")
    database.migrate(schema)
    return database


def test_nothing_is_created_before_the_first_use(tmp_path: Path):
    opened(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failed_transaction_leaves_nothing(tmp_path: Path):
    database = opened(tmp_path)
    with pytest.raises(RuntimeError), database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES ('a', 1)")
        database.write("INSERT INTO t VALUES ('b', 2)")
        raise RuntimeError
    assert database.read("SELECT * FROM t") == []
    database.write("INSERT INTO t VALUES ('c', 3)")
    row = database.read_one("SELECT v FROM t WHERE k='c'")
    assert row is not None
    assert row["v"] == 3
    database.close()


def test_migrations_are_applied_once_and_in_order(tmp_path: Path):
    first = opened(tmp_path)
    first.write("INSERT INTO t VALUES ('a', 1)")
    first.close()
    second = opened(tmp_path, [*SCHEMA, "ALTER TABLE t ADD COLUMN w INTEGER DEFAULT 7"])
    row = second.read_one("SELECT * FROM t")
    assert row is not None
    assert tuple(row) == ("a", 1, 7)
    second.close()
    with pytest.raises(RuntimeError, match="newer Outcrop"):
        opened(tmp_path).read("SELECT 1")


def test_threads_share_one_connection(tmp_path: Path):
    database = opened(tmp_path)
    database.write("INSERT INTO t VALUES ('n', 0)")

    def count() -> None:
        for _ in range(100):
            with database.transaction() as connection:
                value = connection.execute("SELECT v FROM t").fetchone()[0]
                connection.execute("UPDATE t SET v=?", (value + 1,))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = database.read_one("SELECT v FROM t")
    assert row is not None
    assert row["v"] == 400
    database.close()


def test_a_committed_write_survives_kill_9(tmp_path: Path):
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from outcrop.storage import Database\n"
        "d = Database(Path(sys.argv[1]) / 'd.sqlite')\n"
        f"d.migrate({SCHEMA!r})\n"
        "d.write(\"INSERT INTO t VALUES ('a', 1)\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    database = opened(tmp_path)
    assert len(database.read("SELECT * FROM t")) == 1
    database.close()
