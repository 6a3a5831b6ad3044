from decimal import Decimal

import pytest

from outcrop.engines.pricing.prices import Prices, PricesError, Quantity
from outcrop.engines.pricing.workload import WorkloadError, estimate

LITE = "amazon.nova-lite-v1:0"


@pytest.fixture(scope="module")
def prices():
    return Prices.read()


def test_tokens(prices):
    price = prices.model(LITE)
    assert price.of(Quantity(1_000_000, 1_000_000)) == Decimal("0.30")
    assert price.of(Quantity(1, 1)) == Decimal("0.0000003")
    assert price.of(Quantity(cache_read_tokens=1_000_000)) == Decimal("0.015")
    assert price.of(Quantity(cache_write_tokens=1_000_000)) == Decimal("0.06")


def test_images_and_queries(prices):
    assert prices.model("stability.sd3-5-large-v1:0").of(Quantity(images=3)) == Decimal("0.24")
    assert prices.model("amazon.rerank-v1:0").of(Quantity(queries=1000)) == Decimal(1)


def test_profiles_and_regions(prices):
    assert prices.model(f"us.{LITE}") == prices.model(LITE)
    assert prices.model("us.anthropic.claude-sonnet-4-5-20250929-v1:0").input == Decimal("3.3")
    assert prices.model("anthropic.claude-sonnet-4-5-20250929-v1:0").input == Decimal(3)
    at_home = prices.model("meta.llama3-8b-instruct-v1:0")
    assert prices.model("meta.llama3-8b-instruct-v1:0", "ap-south-1").input > at_home.input
    assert prices.model("no.such-model") is None


def test_model_units(prices):
    price = prices.model("anthropic.claude-v2:1")
    assert (price.hour("OneMonth"), price.hour("SixMonths"), price.hour()) == (Decimal(63), Decimal("34.992"), None)


def test_own_prices_go_first(tmp_path):
    file = tmp_path / "prices.csv"
    file.write_text(f"model,name,usd,input,output\n{LITE},,,1,2\n,s3.gb_months,7,,\n")
    prices = Prices.read(file)
    assert prices.model(LITE).of(Quantity(1_000_000, 1_000_000)) == 3
    assert prices.service("s3.gb_months") == 7
    assert prices.model("amazon.nova-pro-v1:0").input == Decimal("0.8")


@pytest.mark.parametrize("row", [f"{LITE},x", f"{LITE},-1", f"{LITE},NaN", ",1"])
def test_unreadable_prices(tmp_path, row):
    file = tmp_path / "prices.csv"
    file.write_text(f"model,input\n{row}\n")
    with pytest.raises(PricesError, match=r"prices\.csv"):
        Prices.read(file)


def test_estimate(prices):
    workload = {
        "days": 30,
        "models": [{"model": LITE, "requests": 1000, "input_tokens": 900, "output_tokens": 200}],
        "embeddings": [{"model": "amazon.titan-embed-text-v2:0", "tokens": 5_000_000}],
        "provisioned": [{"model": "anthropic.claude-v2:1", "units": 2, "term": "OneMonth", "hours": 10}],
        "lambda": {"requests": 1000, "ms": 500, "memory_mb": 512},
        "api_gateway": {"kind": "rest", "requests": 1000},
        "s3": {"gb": 73},
        "logs": {"gb": 2},
    }
    amounts = [(line.what, line.usd) for line in estimate(workload, prices)]
    assert amounts == [
        ("model", Decimal("3.06")),
        ("embedding", Decimal("0.1")),
        ("provisioned throughput", Decimal(1260)),
        ("Lambda", Decimal("0.006")),
        ("Lambda", Decimal("0.12500025")),
        ("API Gateway", Decimal("0.105")),
        ("S3", Decimal(73) * Decimal("0.023") * 720 / 730),
        ("CloudWatch Logs", Decimal(1)),
    ]


@pytest.mark.parametrize(
    ("store", "idle"),
    [
        ({"kind": "s3_vectors"}, 0),
        ({"kind": "opensearch_serverless"}, Decimal("345.6")),
        ({"kind": "opensearch_serverless", "redundant": True}, Decimal("691.2")),
        ({"kind": "aurora_serverless"}, Decimal("43.2")),
    ],
)
def test_idle_floor_of_vector_stores(prices, store, idle):
    lines = estimate({"vector_store": store}, prices)
    assert sum(line.usd for line in lines if line.idle) == idle


def test_queries_of_s3_vectors(prices):
    lines = estimate({"vector_store": {"kind": "s3_vectors", "queries_per_day": 1000, "put_gb": 1}}, prices)
    assert sum(line.usd for line in lines) == Decimal("0.275")


@pytest.mark.parametrize(
    ("workload", "text"),
    [
        ([], "mapping"),
        ({"modells": []}, "'modells' is no part"),
        ({"models": {"model": LITE}}, "list of mappings"),
        ({"s3": [1]}, "must be a"),
        ({"models": [{"model": LITE, "tokens": 1}]}, "models has no 'tokens'"),
        ({"models": [{"model": LITE, "requests": "many"}]}, "models.requests must be a number"),
        ({"models": [{"model": LITE, "requests": -1}]}, "must be a number from 0"),
        ({"models": [{"model": "none"}]}, "No list price of 'none'"),
        ({"models": [{}]}, "No list price"),
        ({"provisioned": [{"model": LITE}]}, "No list price of a model unit"),
        ({"provisioned": [{"model": LITE, "term": "Year"}]}, "Year"),
        ({"vector_store": {"kind": "pinecone"}}, "no price here"),
        ({"api_gateway": {"kind": "soap"}}, "no price here"),
        ({"days": "x"}, "days must be"),
    ],
)
def test_workloads_that_cannot_be_estimated(prices, workload, text):
    with pytest.raises(WorkloadError, match=text):
        estimate(workload, prices)
