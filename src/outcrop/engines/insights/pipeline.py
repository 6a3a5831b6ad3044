"""Commands: each takes rows and gives rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from outcrop.engines.insights import aggregates
from outcrop.engines.insights.aggregates import Aggregate
from outcrop.engines.insights.expressions import Expression, Expressions
from outcrop.engines.insights.record import Record
from outcrop.engines.insights.scanner import InvalidQuery, Scanner, glob_regex
from outcrop.engines.insights.values import Value, sort_key, text, timestamp, truth

MAX_ROWS = 10_000
MAX_GROUPS = 100_000
"""Groups that `stats` makes; records that would make further ones are left out."""

_COMMANDS = ("fields", "display", "filter", "stats", "sort", "order", "limit", "head", "parse", "dedup", "source")
_ABSENT = ("pattern", "diff", "unmask", "anomaly", "unnest", "lookup", "join", "filterindex")


@dataclass(slots=True)
class Table:
    """What a query found."""

    rows: list[list[tuple[str, str]]] = field(default_factory=list)
    """Each row's fields that have a value: name and text, in the query's order."""
    records: list[Record] = field(default_factory=list)
    """The record behind each row; empty if the rows are statistics."""
    scanned: int = 0
    matched: int = 0
    """Records that passed every filter."""


Step = Callable[[Iterator[Record]], Iterator[Record]]


@dataclass(slots=True)
class Query:
    """A compiled query; `run` may be called again and again."""

    steps: list[Step] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    """Names of the fields that are shown; empty: time and text."""
    times: set[str] = field(default_factory=set)
    """Columns that are moments, shown as such."""
    aggregated: bool = False
    filters: int = 0
    """How many of the steps come up to the last filter of records."""
    limit: int = MAX_ROWS

    def run(self, records: Iterable[Record], limit: int | None = None) -> Table:
        """`records` come newest first. At most `limit` rows, and never more than the query itself says."""
        table = Table()
        rows = _counted(records, table, "scanned")
        for number, step in enumerate([*self.steps, None]):
            if number == self.filters:
                rows = _counted(rows, table, "matched")
            if step is not None:
                rows = step(rows)
        shown = min(self.limit, MAX_ROWS if limit is None else limit)
        for record in itertools.islice(rows, shown):
            table.rows.append(self._row(record))
            if not self.aggregated:
                table.records.append(record)
        for _ in rows:
            pass  # they count as scanned and matched, shown or not
        return table

    def _row(self, record: Record) -> list[tuple[str, str]]:
        row = []
        for name in self.columns or ("@timestamp", "@message"):
            value = record.shown(name)
            if name in self.times and isinstance(value, int | float):
                value = timestamp(value)
            if (shown := text(value)) is not None:
                row.append((name, shown))
        return row


def _counted(records: Iterable[Record], table: Table, what: Literal["scanned", "matched"]) -> Iterator[Record]:
    for record in records:
        if what == "scanned":
            table.scanned += 1
        else:
            table.matched += 1
        yield record


def compile_query(source: str) -> Query:
    """Read a query. Raises InvalidQuery, which says where."""
    return _Compiler(Scanner(source)).read()


class _Compiler:
    def __init__(self, scanner: Scanner) -> None:
        self._scan = scanner
        self._expressions = Expressions(scanner)
        self._query = Query()

    def read(self) -> Query:
        if self._scan.done:
            raise self._scan.fail()
        self._command()
        while self._scan.symbol("|"):
            self._command()
        if not self._scan.done:
            raise self._scan.fail()
        return self._query

    def _command(self) -> None:
        if absent := self._scan.word(*_ABSENT):
            raise self._scan.fail(f"the command {absent} is not available in Outcrop:")
        match self._scan.expect_word(*_COMMANDS):
            case "fields":
                self._fields(replaces=False)
            case "display":
                self._fields(replaces=True)
            case "filter":
                self._query.steps.append(partial(_filtered, self._expressions.read()))
                if not self._query.aggregated:
                    self._query.filters = len(self._query.steps)
            case "stats":
                self._stats()
            case "sort" | "order":
                self._scan.word("by")
                self._sort()
            case "limit" | "head":
                self._limit()
            case "parse":
                self._parse()
            case "dedup":
                self._dedup()
            case "source":
                raise self._scan.fail("name the log groups in the request instead of by SOURCE:")

    def _fields(self, replaces: bool) -> None:
        if replaces:
            self._query.columns.clear()
        while True:
            name, expression = self._named()
            if name not in self._query.columns:
                self._query.columns.append(name)
            if expression is not None:
                self._query.steps.append(partial(_computed, name, expression))
            if not self._scan.symbol(","):
                return

    def _named(self) -> tuple[str, Expression | None]:
        """`expression as name`; the name of one without is its own text. None for a plain field."""
        start = self._scan.at
        expression = self._expressions.read()
        written = self._scan.slice(start)
        if self._scan.word("as"):
            alias = self._scan.name()
            if alias is None:
                raise self._scan.fail()
            self._note_time(alias, written)
            return alias, expression
        plain = Scanner(written)
        name = plain.name()
        if name is not None and plain.done:
            return name, None
        self._note_time(written, written)
        return written, expression

    def _note_time(self, name: str, written: str) -> None:
        if written.lower().startswith(("bin(", "datefloor(", "dateceil(", "frommillis(")) or written == "@timestamp":
            self._query.times.add(name)

    def _stats(self) -> None:
        made = [self._aggregate()]
        while self._scan.symbol(","):
            made.append(self._aggregate())
        groups: list[tuple[str, Expression]] = []
        if self._scan.word("by"):
            while True:
                name, expression = self._named()
                groups.append((name, expression or _field(name)))
                if not self._scan.symbol(","):
                    break
        self._query.steps.append(partial(_grouped, made, groups))
        self._query.columns = [name for name, _ in groups] + [name for name, _ in made]
        self._query.aggregated = True

    def _aggregate(self) -> tuple[str, Callable[[], Aggregate]]:
        start = self._scan.at
        name = (self._scan.name() or "").lower()
        if name not in aggregates.NAMES or not self._scan.symbol("("):
            self._scan.at = start
            raise self._scan.fail()
        make: Callable[[], Aggregate]
        if name == "count":
            argument = None
            if not self._scan.symbol("*") and not self._scan.text.startswith(")", self._scan.at):
                argument = self._expressions.read()
            make = partial(aggregates.Count, argument)
        else:
            value = self._expressions.read()
            if name in ("pct", "percentile"):
                self._scan.expect_symbol(",")
                percent = self._scan.number()
                if percent is None or not 0 <= percent <= 100:
                    raise self._scan.fail("a percentile is a number from 0 to 100:")
                make = partial(aggregates.percentile, value, percent)
            else:
                make = partial(aggregates.ONE_ARGUMENT[name], value)
        self._scan.expect_symbol(")")
        written = self._scan.slice(start)
        if self._scan.word("as"):
            written = self._scan.name() or ""
            if not written:
                raise self._scan.fail()
        if name in ("earliest", "latest", "min", "max") and "@timestamp" in self._scan.text[start : self._scan.at]:
            self._query.times.add(written)
        return written, make

    def _sort(self) -> None:
        keys = []
        while True:
            key = self._column()
            if key is None:
                name, expression = self._named()
                key = expression or _field(name)
            keys.append((key, self._scan.word("asc", "desc") == "desc"))
            if not self._scan.symbol(","):
                break
        self._query.steps.append(partial(_sorted, keys))

    def _column(self) -> Expression | None:
        """A column that is called by the expression that made it: `sort count(*) desc`."""
        for name in sorted(self._query.columns, key=len, reverse=True):
            if "(" in name and self._scan.take(name):
                return _field(name)
        return None

    def _limit(self) -> None:
        count = self._scan.number()
        if not isinstance(count, int) or count < 1:
            raise self._scan.fail()
        self._query.limit = min(self._query.limit, count, MAX_ROWS)

    def _parse(self) -> None:
        source = _field("@message")
        if not self._scan.text.startswith(("'", '"', "/"), self._scan.at):
            name = self._scan.name()
            if name is None:
                raise self._scan.fail()
            source = _field(name)
        regex = self._scan.regex()
        if regex is not None:
            names = [name for name, _ in sorted(regex.groupindex.items(), key=lambda item: item[1])]
            if not names:
                raise self._scan.fail("the expression names no group, such as (?<name>...):")
            self._query.steps.append(partial(_parsed, source, regex, [regex.groupindex[name] for name in names], names))
            return
        pattern = self._scan.string()
        if pattern is None:
            raise self._scan.fail()
        self._scan.expect_word("as")
        names = []
        while True:
            name = self._scan.name()
            if name is None:
                raise self._scan.fail()
            names.append(name)
            if not self._scan.symbol(","):
                break
        regex = glob_regex(pattern, names, self._scan)
        self._query.steps.append(partial(_parsed, source, regex, list(range(1, len(names) + 1)), names))

    def _dedup(self) -> None:
        fields = []
        while True:
            name, expression = self._named()
            fields.append(expression or _field(name))
            if not self._scan.symbol(","):
                break
        self._query.steps.append(partial(_distinct, fields))


def _field(name: str) -> Expression:
    return lambda record: record.get(name)


def _filtered(condition: Expression, rows: Iterator[Record]) -> Iterator[Record]:
    return (record for record in rows if truth(condition(record)))


def _computed(name: str, expression: Expression, rows: Iterator[Record]) -> Iterator[Record]:
    for record in rows:
        record.set(name, expression(record))
        yield record


def _sorted(keys: Sequence[tuple[Expression, bool]], rows: Iterator[Record]) -> Iterator[Record]:
    """`keys`: what to sort by, and whether it descends."""
    ordered = list(rows)
    for key, descends in reversed(keys):
        ordered.sort(key=partial(_rank, key), reverse=descends)
    return iter(ordered)


def _rank(key: Expression, record: Record) -> Any:
    return sort_key(key(record))


def _parsed(
    source: Expression, regex: Any, groups: Sequence[int], names: Sequence[str], rows: Iterator[Record]
) -> Iterator[Record]:
    for record in rows:
        found = regex.search(text(source(record)) or "")
        if found is not None:
            for group, name in zip(groups, names, strict=True):
                record.set(name, found.group(group))
        yield record


def _distinct(fields: Sequence[Expression], rows: Iterator[Record]) -> Iterator[Record]:
    seen: set[tuple[str | None, ...]] = set()
    for record in rows:
        key = tuple(text(value(record)) for value in fields)
        if key not in seen:
            seen.add(key)
            yield record


def _grouped(
    made: Sequence[tuple[str, Callable[[], Aggregate]]],
    groups: Sequence[tuple[str, Expression]],
    rows: Iterator[Record],
) -> Iterator[Record]:
    found: dict[tuple[Value, ...], list[Aggregate]] = {}
    for record in rows:
        key = tuple(expression(record) for _, expression in groups)
        sums = found.get(key)
        if sums is None:
            if len(found) >= MAX_GROUPS:
                continue
            sums = found[key] = [make() for _, make in made]
        for each in sums:
            each.add(record)
    if not found and not groups:
        found[()] = [make() for _, make in made]
    for key, sums in found.items():
        values = {name: value for (name, _), value in zip(groups, key, strict=True)}
        results = {name: each.result() for (name, _), each in zip(made, sums, strict=True)}
        row = Record({**values, **results})
        row.seal()
        yield row


__all__ = ["InvalidQuery", "Query", "Table", "compile_query"]
