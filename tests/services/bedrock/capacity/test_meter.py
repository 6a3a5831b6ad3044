import time

import pytest

from outcrop.services.bedrock.capacity.meter import Meter
from outcrop.services.bedrock.records import Records
from outcrop.services.bedrock.store import BedrockStore
from outcrop.services.contract import Context, Principal
from outcrop.storage import Database

ACCOUNT = "000000000000"


@pytest.fixture
def made(tmp_path):
    """Meter and a provisioned model."""
    records = Records(Database(tmp_path / "models.sqlite"), BedrockStore(Database(tmp_path / "bedrock.sqlite")))
    context = Context(ACCOUNT, "us-east-1", Principal("arn:aws:iam::000000000000:root", ACCOUNT), "r", None)
    record = records.add(context, "provisioned-model", "units", "InService", {})
    return Meter(records.database), record


def test_it_runs_whether_used_or_not_until_it_is_stopped(made):
    meter, record = made
    meter.start(record, "provisioned-throughput", "amazon.titan-text-express-v1", 2, "OneMonth")
    meter.start(record, "provisioned-throughput", "amazon.titan-text-express-v1", 2, "OneMonth")
    (period,) = meter.periods()
    assert (period.arn, period.units, period.term, period.ended_at) == (record.arn, 2, "OneMonth", None)
    assert period.hours(until=period.started_at + 7200) == pytest.approx(2)
    assert period.hours(since=period.started_at + 3600, until=period.started_at + 7200) == pytest.approx(1)
    meter.stop(record.arn)
    (ended,) = meter.periods()
    assert ended.ended_at == pytest.approx(time.time(), abs=5)
    assert ended.hours(until=time.time() + 99999) < 0.01
    assert meter.periods(since=time.time() + 1) == []


def test_what_happens_once_has_no_length(made):
    meter, record = made
    meter.note(record, "training-tokens", "amazon.titan-text-express-v1", 1234)
    (period,) = meter.periods()
    assert (period.units, period.hours()) == (1234, 0)
