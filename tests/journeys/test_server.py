"""Starting, stopping, and surviving."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from outcrop.testing import StackProcess


def outcrop(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "outcrop", *arguments], capture_output=True, text=True, timeout=60)


def test_status_down_and_reset(tmp_path: Path):
    data = str(tmp_path / "data")
    assert outcrop("status", "--data", data).returncode == 1
    with StackProcess(tmp_path / "data") as stack:
        status = outcrop("status", "--data", data)
        assert status.returncode == 0
        assert stack.url in status.stdout
        with urllib.request.urlopen(f"{stack.url}/_outcrop/health", timeout=5) as response:
            health = json.load(response)
        assert health["status"] == "ok"
        assert health["pid"] == stack.pid
        assert not any(health["services"].values())
        stack.client("s3").list_buckets()
        with urllib.request.urlopen(f"{stack.url}/_outcrop/health", timeout=5) as response:
            used = {name for name, loaded in json.load(response)["services"].items() if loaded}
        assert used == {"s3", "s3control"}
        second = outcrop("up", "--port", "0", "--data", data)
        assert second.returncode == 1
        assert "already uses" in second.stderr
        assert outcrop("reset", "--yes", "--data", data).returncode == 1
        assert outcrop("down", "--data", data).returncode == 0
        assert stack.stop() == 0
    assert outcrop("reset", "--data", data).returncode == 1
    assert outcrop("reset", "--yes", "--data", data).returncode == 0
    assert not (tmp_path / "data").exists()


def test_reset_refuses_a_folder_that_is_not_outcrops(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert outcrop("reset", "--yes", "--data", str(tmp_path)).returncode == 1
    assert (tmp_path / "thesis.tex").exists()


def test_an_unreadable_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OUTCROP_PORT", "many")
    done = outcrop("up", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "OUTCROP_PORT" in done.stderr


def test_acknowledged_puts_survive_kill_9(tmp_path: Path):
    stack = StackProcess(tmp_path / "data").start()
    try:
        _put_and_kill(stack)
    finally:
        stack.kill()


def _put_and_kill(stack: StackProcess) -> None:
    s3 = stack.client("s3", config=_no_retries())
    s3.create_bucket(Bucket="bucket")
    acknowledged: list[str] = []

    def put() -> None:
        for number in range(100_000):
            body = f"{number}".encode() * (1 if number % 3 else 40_000)
            try:
                s3.put_object(Bucket="bucket", Key=f"k{number}", Body=body)
            except Exception:
                return
            acknowledged.append(f"k{number}")

    writer = threading.Thread(target=put)
    writer.start()
    while len(acknowledged) < 40:
        time.sleep(0.01)
    stack.kill()
    writer.join()
    with StackProcess(stack.data) as again:
        s3 = again.client("s3")
        for key in acknowledged:
            number = int(key[1:])
            body = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
            assert body == f"{number}".encode() * (1 if number % 3 else 40_000)


def _no_retries():
    from botocore.config import Config

    return Config(retries={"max_attempts": 1}, read_timeout=5, connect_timeout=2)


def test_an_ingestion_survives_kill_9(tmp_path: Path):
    from tests.journeys.test_knowledge_base import Base

    stack = StackProcess(tmp_path / "data").start()
    base = Base(stack)
    names = [f"{number:02}.md" for number in range(40)]
    for number, name in enumerate(names):
        base.put(
            name, f"# Planet {number}\n\nThe planet number {number} has {number + 3} moons and a ring of ice.\n" * 8
        )
    ids = {"knowledgeBaseId": base.id, "dataSourceId": base.source}
    job = base.agent.start_ingestion_job(**ids)["ingestionJob"]["ingestionJobId"]
    for _ in range(3):
        seen = 0
        while seen < 3:
            current = base.agent.get_ingestion_job(**ids, ingestionJobId=job)["ingestionJob"]
            if current["status"] == "COMPLETE":
                break
            seen += 1
            time.sleep(0.1)
        stack.kill()
        stack = StackProcess(tmp_path / "data").start()
        base.agent, base.runtime = stack.client("bedrock-agent"), stack.client("bedrock-agent-runtime")
    try:
        deadline = time.monotonic() + 60
        while current["status"] not in ("COMPLETE", "FAILED") and time.monotonic() < deadline:
            current = base.agent.get_ingestion_job(**ids, ingestionJobId=job)["ingestionJob"]
            time.sleep(0.1)
        assert current["status"] == "COMPLETE", stack.log
        assert current["statistics"]["numberOfNewDocumentsIndexed"] == len(names)
        found = base.retrieve("How many moons does the planet have?", numberOfResults=100)
        texts = [(r["location"]["s3Location"]["uri"], r["content"]["text"]) for r in found]
        assert len(texts) == len(set(texts))
        assert {uri.rsplit("/", 1)[-1] for uri, _ in texts} == set(names)
    finally:
        stack.stop()
