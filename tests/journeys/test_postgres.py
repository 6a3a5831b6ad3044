"""A knowledge base in PostgreSQL, as one in Aurora is configured on AWS."""

from __future__ import annotations

import uuid

import pytest
from botocore.exceptions import ClientError
from pg8000.native import Connection
from tests.journeys.test_knowledge_base import OSMOSIS, REGION, VOLCANO, Base

from outcrop.testing import StackProcess
from outcrop.testing.postgres import PostgresServer


def storage(database: str = "postgres") -> dict:
    return {
        "type": "RDS",
        "rdsConfiguration": {
            "resourceArn": f"arn:aws:rds:{REGION}:000000000000:cluster:aurora",
            "credentialsSecretArn": f"arn:aws:secretsmanager:{REGION}:000000000000:secret:aurora-abcdef",
            "databaseName": database,
            "tableName": f"bedrock_integration.kb_{uuid.uuid4().hex[:8]}",
            "fieldMapping": {
                "primaryKeyField": "id",
                "vectorField": "embedding",
                "textField": "chunks",
                "metadataField": "metadata",
            },
        },
    }


class PostgresBase(Base):
    def __init__(self, stack: StackProcess, given: dict) -> None:
        self.storage = given
        super().__init__(stack)


def test_ingesting_retrieving_changing_and_restarting(tmp_path, monkeypatch):
    with PostgresServer(tmp_path) as server:
        monkeypatch.setenv("OUTCROP_POSTGRES", server.url.rpartition("/")[0])
        given = storage()
        with StackProcess(tmp_path / "data") as stack:
            with pytest.raises(ClientError, match='database "nowhere" does not exist'):
                PostgresBase(stack, storage("nowhere"))
            base = PostgresBase(stack, given)
            base.put("osmosis.md", OSMOSIS, {"subject": "biology"})
            base.put("volcano.md", VOLCANO, {"subject": "geology"})
            assert base.sync()["status"] == "COMPLETE"
            best = base.retrieve("When did Etna erupt?")[0]
            assert best["location"]["s3Location"]["uri"].endswith("/volcano.md")
            assert best["metadata"]["subject"] == "geology"
            only = base.retrieve("When did Etna erupt?", filter={"equals": {"key": "subject", "value": "biology"}})
            assert {one["metadata"]["subject"] for one in only} == {"biology"}
            assert "1669" in base.ask("When did Mount Etna erupt?")["output"]["text"]
            base.s3.delete_object(Bucket=base.bucket, Key="volcano.md")
            base.sync()
        kept = f"s3://{base.bucket}/osmosis.md"
        with StackProcess(tmp_path / "data") as stack:
            base.runtime = stack.client("bedrock-agent-runtime")
            found = base.retrieve("Etna and osmosis")
        assert {one["location"]["s3Location"]["uri"] for one in found} == {kept}
        connection = Connection("postgres", host="127.0.0.1", port=server.port)
        table = given["rdsConfiguration"]["tableName"]
        sources = f"SELECT DISTINCT custom_metadata->>'x-amz-bedrock-kb-source-uri' FROM {table}"
        assert connection.run(sources) == [[kept]]
        connection.close()


def test_without_a_server_the_refusal_says_what_to_do(outcrop_stack):
    with pytest.raises(ClientError, match="OUTCROP_POSTGRES"):
        PostgresBase(outcrop_stack, storage())
