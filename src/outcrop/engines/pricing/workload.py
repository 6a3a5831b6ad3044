"""What a workload would cost on AWS, before anything of it is deployed.

    days: 30                       # the period; 30 unless given
    region: us-east-1
    models:                        # invocations, by the day
      - {model: amazon.nova-lite-v1:0, requests: 1000, input_tokens: 900, output_tokens: 200}
    embeddings:                    # tokens, over the whole period
      - {model: amazon.titan-embed-text-v2:0, tokens: 5000000}
    provisioned:
      - {model: amazon.titan-text-express-v1, units: 1, term: OneMonth, hours: 720}
    vector_store: {kind: s3_vectors, gb: 2, put_gb: 2, queries_per_day: 1000}
    lambda: {requests: 1000, ms: 800, memory_mb: 512, arm: false}      # requests by the day
    api_gateway: {kind: http, requests: 1000}
    s3: {gb: 5}
    logs: {gb: 1}

A vector store of kind `opensearch_serverless` costs its floor of OCUs (2, with `redundant: true` 4) however
little it is asked; `aurora_serverless` its `min_acu` (0.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from outcrop.engines.pricing.prices import HOURS_OF_MONTH, Quantity

if TYPE_CHECKING:
    from outcrop.engines.pricing.prices import Price, Prices

_STORES = ("s3_vectors", "opensearch_serverless", "aurora_serverless")
_TERMS = (None, "OneMonth", "SixMonths")
_HOURS = Decimal(24)
_TEXT = frozenset({"model", "term", "kind"})
_FLAGS = frozenset({"arm", "redundant"})
_PARTS: Mapping[str, tuple[str, ...]] = {
    "models": ("model", "requests", *Quantity.__slots__),
    "embeddings": ("model", "tokens"),
    "provisioned": ("model", "units", "term", "hours"),
    "vector_store": ("kind", "gb", "put_gb", "queries_per_day", "min_acu", "redundant"),
    "lambda": ("requests", "ms", "memory_mb", "arm"),
    "api_gateway": ("kind", "requests"),
    "s3": ("gb",),
    "logs": ("gb",),
}
_LISTS = ("models", "embeddings", "provisioned")


class WorkloadError(ValueError):
    """A workload that can't be estimated; the text says where and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One item of a bill."""

    what: str
    detail: str
    usd: Decimal
    idle: bool = False
    """It is due however little is asked."""


def estimate(workload: object, prices: Prices) -> list[Line]:
    """Exact amounts, unrounded. Raises WorkloadError."""
    return list(_Estimate(_checked(workload), prices).lines())


class _Estimate:
    def __init__(self, workload: Mapping[str, Any], prices: Prices) -> None:
        self._workload = workload
        self._prices = prices
        self._days = _number(workload.get("days", 30), "days")
        self._region = str(workload.get("region", "us-east-1"))

    def lines(self) -> Iterator[Line]:
        for part, lines in self._makers().items():
            given = self._workload.get(part)
            for entry in given if isinstance(given, list) else [given] if given else []:
                yield from lines(entry)

    def _makers(self) -> dict[str, Callable[[Mapping[str, Any]], Iterator[Line]]]:
        return {
            "models": self._model,
            "embeddings": self._embedding,
            "provisioned": self._provisioned,
            "vector_store": self._vector_store,
            "lambda": self._lambda,
            "api_gateway": self._api_gateway,
            "s3": self._s3,
            "logs": self._logs,
        }

    def _price(self, entry: Mapping[str, Any]) -> Price:
        price = self._prices.model(str(entry.get("model", "")), self._region)
        if price is None:
            raise WorkloadError(
                f"No list price of {entry.get('model')!r} is known. Give one in a file of your own (OUTCROP_PRICES)."
            )
        return price

    def _model(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        price = self._price(entry)
        requests = _number(entry.get("requests", 0), "requests") * self._days
        one = Quantity(**{name: int(entry.get(name, 0)) for name in Quantity.__slots__})
        yield Line("model", f"{entry['model']}, {_said(requests)} requests", price.of(one) * requests)

    def _embedding(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        tokens = int(entry.get("tokens", 0))
        usd = self._price(entry).of(Quantity(input_tokens=tokens))
        yield Line("embedding", f"{entry['model']}, {_said(Decimal(tokens))} tokens", usd)

    def _provisioned(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        term = entry.get("term")
        if term not in _TERMS:
            raise WorkloadError(f"The term {term!r} is none: leave it out, or say OneMonth or SixMonths.")
        hour = self._price(entry).hour(term)
        if hour is None:
            raise WorkloadError(
                f"No list price of a model unit of {entry['model']} with the term {term} is known. Give one in a file "
                "of your own (OUTCROP_PRICES)."
            )
        units = _number(entry.get("units", 1), "units")
        hours = _number(entry.get("hours", self._days * _HOURS), "hours")
        said = f"{entry['model']}, {_said(units)} model units for {_said(hours)} hours"
        yield Line("provisioned throughput", said, hour * units * hours, idle=True)

    def _vector_store(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        kind = entry.get("kind")
        if kind not in _STORES:
            raise WorkloadError(f"The vector store {kind!r} has no price here. Choose one of {', '.join(_STORES)}.")
        size = _number(entry.get("gb", 0), "gb")
        hours = self._days * _HOURS
        if kind == "opensearch_serverless":
            units = Decimal(4 if entry.get("redundant") else 2)
            usd = self._at(f"{kind}.ocu_hours", units * hours)
            yield Line("vector store", f"OpenSearch Serverless, floor of {units} OCUs", usd, idle=True)
            yield Line("vector store", f"{_said(size)} GB kept", self._kept("s3.gb_months", size), idle=True)
        elif kind == "aurora_serverless":
            least = _number(entry.get("min_acu", "0.5"), "min_acu")
            usd = self._at(f"{kind}.acu_hours", least * hours)
            yield Line("vector store", f"Aurora Serverless, floor of {_said(least)} ACUs", usd, idle=True)
            yield Line("vector store", f"{_said(size)} GB kept", self._kept(f"{kind}.gb_months", size), idle=True)
        else:
            queries = _number(entry.get("queries_per_day", 0), "queries_per_day") * self._days
            put = _number(entry.get("put_gb", 0), "put_gb")
            yield Line(
                "vector store", f"S3 Vectors, {_said(size)} GB kept", self._kept(f"{kind}.gb_months", size), idle=True
            )
            yield Line("vector store", f"{_said(put)} GB put", self._at(f"{kind}.put_gb", put))
            yield Line("vector store", f"{_said(queries)} queries", self._at(f"{kind}.queries", queries))

    def _lambda(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        requests = _number(entry.get("requests", 0), "requests") * self._days
        seconds = _number(entry.get("ms", 0), "ms") / 1000 * requests
        memory = _number(entry.get("memory_mb", 128), "memory_mb") / 1024
        name = "lambda.gb_seconds_arm" if entry.get("arm") else "lambda.gb_seconds"
        yield Line("Lambda", f"{_said(requests)} requests", self._at("lambda.requests", requests))
        yield Line("Lambda", f"{_said(seconds * memory)} GB-seconds", self._at(name, seconds * memory))

    def _api_gateway(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        kind = entry.get("kind", "http")
        if kind not in ("http", "rest"):
            raise WorkloadError(f"The API {kind!r} has no price here. Choose http or rest.")
        requests = _number(entry.get("requests", 0), "requests") * self._days
        usd = self._at(f"apigateway.{kind}", requests)
        yield Line("API Gateway", f"{kind.upper()} API, {_said(requests)} requests", usd)

    def _s3(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        size = _number(entry.get("gb", 0), "gb")
        yield Line("S3", f"{_said(size)} GB kept", self._kept("s3.gb_months", size), idle=True)

    def _logs(self, entry: Mapping[str, Any]) -> Iterator[Line]:
        size = _number(entry.get("gb", 0), "gb")
        yield Line("CloudWatch Logs", f"{_said(size)} GB taken in", self._at("logs.ingested_gb", size))

    def _at(self, name: str, amount: Decimal) -> Decimal:
        return self._prices.service(name) * amount

    def _kept(self, name: str, size: Decimal) -> Decimal:
        """Storage is charged by the month of 730 hours."""
        return self._at(name, size) * self._days * _HOURS / HOURS_OF_MONTH


def _checked(workload: object) -> Mapping[str, Any]:
    if not isinstance(workload, dict):
        raise WorkloadError("A workload is a mapping with models, embeddings, vector_store and the like.")
    for part, given in workload.items():
        if part in ("days", "region"):
            continue
        if part not in _PARTS:
            raise WorkloadError(f"{part!r} is no part of a workload. The parts are {', '.join(_PARTS)}, days, region.")
        entries = given if part in _LISTS else [given]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise WorkloadError(f"{part} must be a {'list of mappings' if part in _LISTS else 'mapping'}.")
        for entry in entries:
            _check_entry(part, entry)
    return workload


def _check_entry(part: str, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if name not in _PARTS[part]:
            raise WorkloadError(f"{part} has no {name!r}. It takes {', '.join(_PARTS[part])}.")
        if name not in _TEXT | _FLAGS:
            _number(value, f"{part}.{name}")


def _number(value: object, where: str) -> Decimal:
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise WorkloadError(f"{where} must be a number from 0, not {value!r}.")
    return number


def _said(number: Decimal) -> str:
    return f"{number.normalize():,f}"
