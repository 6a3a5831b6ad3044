"""The ledger at AWS's list prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from outcrop.engines.pricing.prices import Quantity

if TYPE_CHECKING:
    from outcrop.engines.pricing.prices import Prices
    from outcrop.services.bedrock.ledger.store import Sum


@dataclass(frozen=True, slots=True)
class Charge:
    sum: Sum
    usd: Decimal | None
    """Exact, unrounded. None: no list price of the model is known."""


def charges(sums: Iterable[Sum], prices: Prices) -> list[Charge]:
    """What each would have cost on demand; provisioned models' tokens cost nothing, their hours do."""
    return [Charge(one, _usd(one, prices)) for one in sums]


def total(charged: Iterable[Charge]) -> Decimal:
    return sum((charge.usd for charge in charged if charge.usd is not None), Decimal(0))


def _usd(one: Sum, prices: Prices) -> Decimal | None:
    if one.by_hour:
        return Decimal(0)
    price = prices.model(one.model, one.region)
    if price is None:
        return None
    return price.of(
        Quantity(
            one.input_tokens,
            one.output_tokens,
            one.cache_read_tokens,
            one.cache_write_tokens,
            one.images,
            one.queries,
        )
    )
