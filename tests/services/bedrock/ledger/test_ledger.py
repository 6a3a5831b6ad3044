"""What is invoked is in the ledger, and costs what the estimate said."""

import json
import time
from decimal import Decimal

import pytest

from outcrop import cli
from outcrop.engines.pricing.prices import Prices
from outcrop.engines.pricing.workload import estimate
from outcrop.services.bedrock.capacity.meter import Meter
from outcrop.services.bedrock.ledger.bill import charges, total
from outcrop.services.bedrock.ledger.store import DATABASE, LedgerStore
from outcrop.services.bedrock.records import Records
from outcrop.services.bedrock.store import BedrockStore
from outcrop.services.contract import Context, Principal, ServiceError
from outcrop.storage import Database
from outcrop.testing.llm import Reply

HAIKU = "anthropic.claude-3-haiku-20240307-v1:0"
LITE = "amazon.nova-lite-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"


@pytest.fixture
def ledger(tmp_path):
    return LedgerStore(Database(tmp_path / f"{DATABASE}.sqlite", durable=False))


async def test_entries(scripted, ledger):
    client, _ = await scripted(Reply(["one"], usage=(11, 7)), Reply(["two"], usage=(5, 3)))
    await client.ask(model=HAIKU, requestMetadata={"team": "a"})
    await client.stream(model=f"us.{LITE}")
    await client.invoke(TITAN, {"inputText": "five words are in here"})
    first, second, third = ledger.entries()
    assert (first.model, first.operation, first.input_tokens, first.output_tokens) == (HAIKU, "Converse", 11, 7)
    assert first.tags == {"team": "a"}
    assert first.caller.endswith(":root")
    assert first.engine.startswith("openai:")
    assert abs(first.at - time.time()) < 60
    assert (second.model, second.operation, second.input_tokens) == (f"us.{LITE}", "ConverseStream", 5)
    assert (third.model, third.input_tokens, third.output_tokens) == (TITAN, 5, 0)


async def test_failures_before_the_engine_cost_nothing(make, ledger):
    client = make()
    with pytest.raises(ServiceError):
        await client.ask("", model=HAIKU)
    assert ledger.entries() == []


async def test_sums(scripted, ledger):
    client, _ = await scripted(*[Reply(["x"], usage=(10, 5))] * 3)
    for team in "aab":
        await client.ask(model=HAIKU, requestMetadata={"team": team})
    until = time.time() + 1
    (whole,) = ledger.sums(0, until)
    assert (whole.requests, whole.input_tokens, whole.output_tokens) == (3, 30, 15)
    assert [(one.group, one.requests) for one in ledger.sums(0, until, tag="team")] == [("a", 2), ("b", 1)]
    assert [one.group for one in ledger.sums(0, until, by_caller=True)] == ["arn:aws:iam::000000000000:root"]


async def test_the_estimate_equals_the_ledger_after_playing(scripted, ledger):
    """To the last digit, so to the cent."""
    workload = {
        "days": 1,
        "models": [
            {"model": HAIKU, "requests": 7, "input_tokens": 1234, "output_tokens": 567},
            {"model": LITE, "requests": 3, "input_tokens": 991, "output_tokens": 13},
        ],
        "embeddings": [{"model": TITAN, "tokens": 20}],
    }
    replies = [Reply(["x"], usage=(1234, 567))] * 7 + [Reply(["x"], usage=(991, 13))] * 3
    client, _ = await scripted(*replies)
    for _ in range(7):
        await client.ask(model=HAIKU)
    for _ in range(3):
        await client.stream(model=LITE)
    for _ in range(4):
        await client.invoke(TITAN, {"inputText": "five words are in here"})
    prices = Prices.read()
    estimated = sum(line.usd for line in estimate(workload, prices))
    played = total(charges(ledger.sums(0, time.time() + 1), prices))
    assert played == estimated
    assert estimated == Decimal("0.00730889")


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "db").mkdir()
    monkeypatch.setenv("OUTCROP_DATA", str(tmp_path))
    return tmp_path


def provision(file):
    """Two model units that ran for an hour."""
    database = Database(file)
    records = Records(database, BedrockStore(Database(file.with_name("bedrock.sqlite"))))
    context = Context("000000000000", "us-east-1", Principal("arn:aws:iam::000000000000:root", "root"), "r", None)
    record = records.add(context, "provisioned-model", "units", "InService", {})
    Meter(database).start(record, "provisioned-throughput", "anthropic.claude-v2:1", 2, "OneMonth")
    now = time.time()
    database.write("UPDATE period SET started_at=?, ended_at=?", (now - 7200, now - 3600))
    database.close()


async def test_cost_command(scripted, data, capsys, ledger):
    client, _ = await scripted(Reply(["x"], usage=(1_000_000, 2_000_000)))
    await client.ask(model=LITE)
    (data / f"{DATABASE}.sqlite").rename(data / "db" / f"{DATABASE}.sqlite")
    for extra in ("-wal", "-shm"):
        if (side := data / f"{DATABASE}.sqlite{extra}").exists():
            side.rename(data / "db" / side.name)
    provision(data / "db" / "bedrock-models.sqlite")
    assert cli.main(["cost", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["invocations"][0]["usd"] == "0.54"
    assert told["provisioned"][0]["usd"] == "126"
    assert told["total_usd"] == "126.54"
    assert cli.main(["cost"]) == 0
    shown = capsys.readouterr().out
    assert LITE in shown
    assert "126.54" in shown


def test_cost_of_nothing(data, capsys):
    assert cli.main(["cost"]) == 0
    assert "Nothing was invoked" in capsys.readouterr().out
    assert cli.main(["cost", "--by", "moon"]) == 2


def test_estimate_command(data, capsys):
    file = data / "workload.yaml"
    file.write_text(
        "models:\n  - {model: amazon.nova-lite-v1:0, requests: 1000, input_tokens: 900, output_tokens: 200}\n"
        "vector_store: {kind: opensearch_serverless}\n"
    )
    assert cli.main(["cost", "estimate", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "348.66" in shown
    assert "$345.60 is due even if nobody asks" in shown
    assert cli.main(["cost", "estimate", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_usd"] == "348.66"
    file.write_text("models: [}")
    assert cli.main(["cost", "estimate", str(file)]) == 1
    assert "no YAML" in capsys.readouterr().err
