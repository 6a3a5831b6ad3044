"""List prices by model and region, in US dollars: the package's tables, dated, and above them a file of one's own.

`models.csv`: dollars for a million tokens (input, output, cache_read, cache_write), for a picture made or read, for a
query that is reranked, and for a model unit's hour without commitment and with one of one or six months. A row
`REGION/MODEL` goes before the model's own; the prefix of an inference profile (`us.`) is left off where it has no row.
`services.csv`: dollars for one of what each row says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

READ_ON = "2026-11-23"
"""When the package's prices were read."""
HOURS_OF_MONTH = Decimal(730)

_HERE = Path(__file__).parent
_MILLION = Decimal(1_000_000)
_PROFILE = re.compile(r"(?:us|eu|apac|global|jp|au|ca|us-gov)\.")


class PricesError(ValueError):
    """A price file that can't be read; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What an invocation used, or many together."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    images: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """Of one model. What it has no price for is None."""

    model: str
    source: str
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    image: Decimal | None = None
    input_image: Decimal | None = None
    query: Decimal | None = None
    unit_hour: Decimal | None = None
    unit_hour_1m: Decimal | None = None
    unit_hour_6m: Decimal | None = None

    def of(self, used: Quantity) -> Decimal:
        """Exact, unrounded. Tokens that have no price of their own as cached ones cost what input costs."""
        none = Decimal(0)
        tokens = (
            used.input_tokens * (self.input or none)
            + used.output_tokens * (self.output or none)
            + used.cache_read_tokens * (self.cache_read if self.cache_read is not None else self.input or none)
            + used.cache_write_tokens * (self.cache_write if self.cache_write is not None else self.input or none)
        )
        return tokens / _MILLION + used.images * (self.image or none) + used.queries * (self.query or none)

    def hour(self, term: str | None = None) -> Decimal | None:
        """Of a model unit; `term` is `OneMonth`, `SixMonths`, or None for no commitment. None: no price is known."""
        return {"OneMonth": self.unit_hour_1m, "SixMonths": self.unit_hour_6m}.get(term or "", self.unit_hour)


class Prices:
    """`Prices.read(file)`; a file's rows stand before the package's."""

    def __init__(self, models: Mapping[str, Price], services: Mapping[str, Decimal]) -> None:
        self._models = models
        self._services = services

    @classmethod
    def read(cls, file: Path | None = None) -> Prices:
        """`file` has the columns of models.csv, or of services.csv. Raises PricesError, OSError."""
        models = {row["model"]: _price(row, "models.csv") for row in _rows(_HERE / "models.csv")}
        services = {row["name"]: _amount(row["usd"], "services.csv") for row in _rows(_HERE / "services.csv")}
        for row in _rows(file) if file else ():
            if row.get("model"):
                models[row["model"]] = _price(row, str(file))
            elif row.get("name"):
                services[row["name"]] = _amount(row.get("usd", ""), str(file))
            else:
                raise PricesError(f"{file}: each row needs a model, with its prices, or a name and usd.")
        return cls(models, services)

    def model(self, model_id: str, region: str = "us-east-1") -> Price | None:
        """None: no list price is known."""
        bare = _PROFILE.sub("", model_id, count=1)
        for key in (f"{region}/{model_id}", model_id, f"{region}/{bare}", bare):
            if key in self._models:
                return self._models[key]
        return None

    def service(self, name: str) -> Decimal:
        """Raises KeyError."""
        return self._services[name]


def _rows(file: Path) -> Iterable[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)


def _price(row: Mapping[str, str], file: str) -> Price:
    amounts = {
        name: _amount(value, f"{file}: {row['model']}")
        for name, value in row.items()
        if name not in ("model", "source") and name in Price.__slots__ and value
    }
    return Price(row["model"], row.get("source") or "", **amounts)


def _amount(text: str, where: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise PricesError(f"{where}: {text!r} is no amount of US dollars.") from None
    if not amount.is_finite() or amount < 0:
        raise PricesError(f"{where}: {text!r} is no amount of US dollars.")
    return amount
