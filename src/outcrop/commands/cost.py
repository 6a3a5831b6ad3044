"""`outcrop cost`: what the work done here would have cost on AWS, and what a workload would."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.engines.pricing.prices import Prices
    from outcrop.services.bedrock.ledger.bill import Charge
    from outcrop.settings import Settings

_DAY = 86_400
_CENT = Decimal("0.01")


def add(cost: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """Add the options and actions to the command's parser."""
    cost.add_argument("--days", type=int, default=30, help="how far back to look (default 30)")
    cost.add_argument("--by", default="model", metavar="model|caller|tag:KEY", help="what to tell apart besides days")
    cost.add_argument("--json", action="store_true", help="write JSON")
    cost.set_defaults(run=_cost)
    actions = cost.add_subparsers(dest="action", metavar="action")
    estimate = actions.add_parser("estimate", parents=[shared], help="what a workload would cost on AWS")
    estimate.add_argument("workload", type=Path, metavar="WORKLOAD.yaml")
    estimate.add_argument("--json", action="store_true", help="write JSON")
    estimate.set_defaults(run=_estimate)


def _cost(settings: Settings, options: argparse.Namespace) -> int:
    from outcrop.engines.pricing.prices import READ_ON, Prices
    from outcrop.services.bedrock.ledger import bill
    from outcrop.services.bedrock.ledger.store import DATABASE, LedgerStore
    from outcrop.storage import Database

    if options.by not in ("model", "caller") and not options.by.startswith("tag:"):
        print("outcrop: --by takes model, caller or tag:KEY", file=sys.stderr)
        return 2
    prices = Prices.read(settings.prices)
    file = settings.data / "db" / f"{DATABASE}.sqlite"
    until = time.time() + 1
    since = until - options.days * _DAY
    charged: list[Charge] = []
    if file.exists():
        database = Database(file, durable=False)
        tag = options.by.removeprefix("tag:") if options.by.startswith("tag:") else None
        sums = LedgerStore(database).sums(since, until, by_caller=options.by == "caller", tag=tag)
        charged = bill.charges(sums, prices)
        database.close()
    hours = _provisioned(settings, prices, since)
    whole = bill.total(charged) + sum((one["usd"] for one in hours if one["usd"] is not None), Decimal(0))
    if options.json:
        rows = [{**asdict(one.sum), "usd": _exact(one.usd)} for one in charged]
        provisioned = [{**one, "usd": _exact(one["usd"])} for one in hours]
        told = {"prices_of": READ_ON, "invocations": rows, "provisioned": provisioned, "total_usd": str(cents(whole))}
        print(json.dumps(told, indent=2))
        return 0
    _print_bill(charged, hours, whole)
    print(f"List prices of {READ_ON}{f' and {settings.prices}' if settings.prices else ''}; nothing was charged.")
    return 0


def _print_bill(charged: Sequence[Charge], hours: Sequence[dict[str, Any]], whole: Decimal) -> None:
    rows = [
        (
            one.sum.day,
            " ".join(filter(None, (one.sum.model, one.sum.group))),
            f"{one.sum.requests:,}",
            f"{one.sum.input_tokens + one.sum.cache_read_tokens + one.sum.cache_write_tokens:,}",
            f"{one.sum.output_tokens:,}",
            _money(one.usd),
        )
        for one in charged
    ]
    rows += [
        ("provisioned", one["model"], "", "", f"{one['unit_hours']} unit-hours", _money(one["usd"])) for one in hours
    ]
    if not rows:
        print("Nothing was invoked.")
        return
    _table(
        ("day", "model", "requests", "tokens in", "tokens out", "USD"),
        [*rows, ("total", "", "", "", "", _money(whole))],
    )


def _provisioned(settings: Settings, prices: Prices, since: float) -> list[dict[str, Any]]:
    """Hours of model units, from the rows of the capacity meter."""
    from outcrop.services.bedrock.capacity.meter import Meter
    from outcrop.services.bedrock.records import SCHEMA
    from outcrop.storage import Database

    file = settings.data / "db" / "bedrock-models.sqlite"
    if not file.exists():
        return []
    database = Database(file)
    database.migrate(SCHEMA)
    periods = Meter(database).periods(since)
    database.close()
    found = []
    for period in periods:
        if period.what == "provisioned-throughput":
            unit_hours = Decimal(str(round(period.hours(since) * period.units, 6)))
            price = prices.model(period.model, period.region)
            hour = price.hour(period.term) if price else None
            usd = None if hour is None else hour * unit_hours
            found.append({"model": period.model, "term": period.term, "unit_hours": str(unit_hours), "usd": usd})
    return found


def _estimate(settings: Settings, options: argparse.Namespace) -> int:
    import yaml

    from outcrop.engines.pricing.prices import READ_ON, Prices
    from outcrop.engines.pricing.workload import estimate

    try:
        workload = yaml.safe_load(options.workload.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{options.workload} is no YAML: {error}") from None
    lines = estimate(workload, Prices.read(settings.prices))
    whole = sum((line.usd for line in lines), Decimal(0))
    idle = sum((line.usd for line in lines if line.idle), Decimal(0))
    if options.json:
        told = [{"what": one.what, "detail": one.detail, "idle": one.idle, "usd": _exact(one.usd)} for one in lines]
        sums = {"total_usd": str(cents(whole)), "idle_usd": str(cents(idle))}
        print(json.dumps({"prices_of": READ_ON, "lines": told, **sums}, indent=2))
        return 0
    rows = [(line.what, line.detail, "yes" if line.idle else "", _money(line.usd)) for line in lines]
    _table(("what", "how much", "idle too", "USD"), [*rows, ("total", "", "", _money(whole))])
    print(f"Of this ${cents(idle):,} is due even if nobody asks anything. List prices of {READ_ON}.")
    return 0


def cents(usd: Decimal) -> Decimal:
    """Rounded to the cent, halves up."""
    return usd.quantize(_CENT, ROUND_HALF_UP)


def _exact(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd.normalize():f}"


def _money(usd: Decimal | None) -> str:
    """To the cent; what is less in full, for it adds up."""
    if usd is None:
        return "no price known"
    return f"{cents(usd):,}" if usd >= _CENT or not usd else f"{usd.quantize(Decimal('0.000001')).normalize():f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    for row in (head, *rows):
        print(
            "  ".join(
                text.ljust(width) if at < 2 else text.rjust(width)
                for at, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )
