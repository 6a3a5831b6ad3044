"""Clients that nobody here wrote: the AWS CLI, and LangChain's retriever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journeys.test_knowledge_base import OSMOSIS, VOLCANO, Base

from outcrop.testing import StackProcess


@pytest.fixture
def aws(outcrop_stack: StackProcess, tmp_path: Path):
    """Runs one AWS CLI command and answers what it prints, parsed where it is JSON."""
    environment = {**os.environ, **outcrop_stack.environment, "HOME": str(tmp_path), "AWS_PAGER": ""}

    def run(*arguments: str):
        done = subprocess.run(
            [Path(sys.executable).parent / "aws", "--output", "json", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.lstrip().startswith(("{", "[")) else done.stdout

    return run


def test_the_aws_cli_works_with_files_functions_and_models(aws, tmp_path: Path):
    (tmp_path / "site/deep").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("<h1>hello</h1>")
    (tmp_path / "site/deep/big.bin").write_bytes(os.urandom(9 << 20))
    aws("s3", "mb", "s3://cli-bucket")
    aws("s3", "sync", str(tmp_path / "site"), "s3://cli-bucket/site")
    assert "deep/big.bin" in aws("s3", "ls", "--recursive", "s3://cli-bucket")
    aws("s3", "cp", "s3://cli-bucket/site/deep/big.bin", str(tmp_path / "again.bin"))
    assert (tmp_path / "again.bin").read_bytes() == (tmp_path / "site/deep/big.bin").read_bytes()
    head = aws("s3api", "head-object", "--bucket", "cli-bucket", "--key", "site/index.html")
    assert head["ContentType"] == "text/html"
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"

    (tmp_path / "f.py").write_text("def handler(event, context):\n    return {'got': event}\n")
    subprocess.run([sys.executable, "-m", "zipfile", "-c", "f.zip", "f.py"], cwd=tmp_path, check=True)
    aws(
        *("lambda", "create-function", "--function-name", "cli", "--runtime", "python3.11"),
        *("--handler", "f.handler", "--role", "arn:aws:iam::000000000000:role/any"),
        *("--zip-file", f"fileb://{tmp_path}/f.zip"),
    )
    aws("lambda", "wait", "function-active-v2", "--function-name", "cli")
    aws("lambda", "invoke", "--function-name", "cli", "--payload", '{"a": 1}', str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == {"got": {"a": 1}}

    messages = [{"role": "user", "content": [{"text": "Summarize: Bees make honey. They live in hives."}]}]
    model = "anthropic.claude-3-haiku-20240307-v1:0"
    reply = aws("bedrock-runtime", "converse", "--model-id", model, "--messages", json.dumps(messages))
    assert reply["output"]["message"]["content"][0]["text"]
    assert reply["usage"]["totalTokens"] == reply["usage"]["inputTokens"] + reply["usage"]["outputTokens"]


def test_langchains_retriever_reads_a_knowledge_base(outcrop_stack: StackProcess):
    from langchain_aws.retrievers import AmazonKnowledgeBasesRetriever

    base = Base(outcrop_stack)
    base.put("osmosis.md", OSMOSIS)
    base.put("volcano.txt", VOLCANO)
    base.sync()
    retriever = AmazonKnowledgeBasesRetriever(
        knowledge_base_id=base.id,
        retrieval_config={"vectorSearchConfiguration": {"numberOfResults": 1}},
        client=base.runtime,
    )
    found = retriever.invoke("What is lava?")
    assert len(found) == 1
    assert "lava" in found[0].page_content
    assert found[0].metadata["location"]["s3Location"]["uri"].endswith("/volcano.txt")
