"""What runs up a bill by being there, whether it is used or not: rows for whoever adds up the cost.

`what` is `provisioned-throughput` (units: model units, by the hour), `custom-model-storage` (units: models, by the
month), `imported-model-storage` or `training-tokens` (units: tokens, once: the period has no length).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outcrop.services.bedrock.records import Record
    from outcrop.storage import Database


@dataclass(frozen=True, slots=True)
class Period:
    arn: str
    account: str
    region: str
    what: str
    model: str
    """Id of the foundation model whose price applies."""
    units: float
    term: str | None
    """`OneMonth` or `SixMonths`; None: no commitment."""
    started_at: float
    ended_at: float | None
    """None: it goes on."""

    def hours(self, since: float = 0.0, until: float | None = None) -> float:
        """How long it ran between two moments; until now unless `until` says otherwise."""
        until = time.time() if until is None else until
        end = until if self.ended_at is None else min(self.ended_at, until)
        return max(0.0, end - max(self.started_at, since)) / 3600


class Meter:
    """Starts and ends periods; its table is in the same file as the rows that they belong to."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def start(self, record: Record, what: str, model: str, units: float, term: str | None = None) -> None:
        """From now on. Does nothing if such a period runs already."""
        with self._db.transaction() as connection:
            running = connection.execute(
                "SELECT 1 FROM period WHERE arn=? AND what=? AND ended_at IS NULL", (record.arn, what)
            ).fetchone()
            if not running:
                self._add(record, what, model, units, term, None)

    def note(self, record: Record, what: str, model: str, units: float) -> None:
        """Something that happened once."""
        self._add(record, what, model, units, None, time.time())

    def _add(self, record: Record, what: str, model: str, units: float, term: str | None, ended: float | None) -> None:
        self._db.write(
            "INSERT INTO period (arn, account, region, what, model, units, term, started_at, ended_at) "
            "VALUES (?,?,?,?,?,?,?,?,?)",
            (record.arn, record.account, record.region, what, model, units, term, time.time(), ended),
        )

    def stop(self, arn: str) -> None:
        """All that runs for a resource."""
        self._db.write("UPDATE period SET ended_at=? WHERE arn=? AND ended_at IS NULL", (time.time(), arn))

    def periods(self, since: float = 0.0) -> list[Period]:
        """Those that ran at or after a moment, oldest first."""
        rows = self._db.read(
            "SELECT arn, account, region, what, model, units, term, started_at, ended_at FROM period "
            "WHERE ended_at IS NULL OR ended_at>=? ORDER BY started_at, id",
            (since,),
        )
        return [Period(**dict(row)) for row in rows]
