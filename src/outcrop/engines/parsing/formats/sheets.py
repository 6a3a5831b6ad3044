"""Workbooks (.xlsx, .xls): a page a sheet, a table for each stretch of rows that belong together."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError
from outcrop.engines.parsing.formats.package import Package

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_KIND = "workbook"
_PROGRESS = 20_000
_CELLS = 20_000_000
"""A sheet's rectangle may have so many, empty ones included: the library holds all of them."""
_MERGED, _MERGED_ROWS = 20_000, 200


def read(path: Path, budget: Budget) -> ParsedDocument:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    with path.open("rb") as file:
        start = file.read(4)
    if start == _ZIP:
        with Package(path, _KIND) as package:
            package.check_size()
            _check_sheets(package)
    elif start != _OLE:
        raise ParseError("the file is not a workbook, or is damaged")
    try:
        with path.open("rb") as file, CalamineWorkbook.from_filelike(file) as book:
            return _document(book, budget)
    except PasswordError:
        raise ParseError("the workbook is encrypted; save it without a password") from None
    except CalamineError as error:
        raise ParseError(f"the file is not a workbook, or is damaged: {error}") from None
    except (ParseError, MemoryError):
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ParseError(f"the workbook is damaged: {error}") from None


def _check_sheets(package: Package) -> None:
    """A cell far away from the others makes a small file a huge sheet."""
    for part in package.parts("xl/worksheets/"):
        extent = _Extent()
        package.walk(part, extent)


class _Extent:
    """Hears a sheet's cells and refuses those that span too much."""

    def __init__(self) -> None:
        self._rows = self._row = 0
        self._columns = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "row":
            given = attributes.get("r", "")
            self._row = int(given) if given.isdecimal() and len(given) < 9 else self._row + 1
        elif name == "c" and "r" in attributes:
            self._columns = max(self._columns, _column(attributes["r"]))
            self._rows = max(self._rows, self._row)
            if self._rows * self._columns > _CELLS:
                raise ParseError(
                    f"a sheet of the workbook spans {self._rows:,} rows and {self._columns:,} columns, "
                    f"more than {_CELLS:,} cells; remove the cells that lie far away from the others"
                )

    def end(self, name: str) -> None:
        return None

    def data(self, text: str) -> None:
        return None


def _column(reference: str) -> int:
    """3 of `C7`."""
    column = 0
    for letter in reference[:3]:
        if not "A" <= letter <= "Z":
            break
        column = column * 26 + ord(letter) - 64
    return column


def _document(book: Any, budget: Budget) -> ParsedDocument:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    pages: list[Page] = []
    warnings: list[str] = []
    sheets = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    budget.check_pages(len(sheets))
    for sheet in sheets:
        if sheet.visible != SheetVisibleEnum.Visible:
            warnings.append(f"the hidden sheet {sheet.name!r} is left out")
            continue
        budget.report(f"sheet {sheet.name}")
        blocks = list(_blocks(book.get_sheet_by_name(sheet.name), budget))
        if blocks:
            pages.append(Page(None, (Block("heading", sheet.name, level=1), *blocks)))
    if not pages:
        raise ParseError("the workbook has no text")
    return ParsedDocument(tuple(pages), "", tuple(warnings))


def _blocks(sheet: CalamineSheet, budget: Budget) -> Iterator[Block]:
    stretch = _Stretch()
    for cells in _rows(sheet, budget):
        filled = sum(map(bool, cells))
        if not filled:
            stretch.gap = bool(stretch.lines)
            continue
        while not cells[-1]:
            cells.pop()
        if stretch.lines and not stretch.takes(cells, filled):
            yield stretch.block()
            stretch = _Stretch()
        line = " | ".join(cells) if filled > 1 else next(filter(None, cells))
        budget.take_characters(len(line) + 1)
        stretch.lines.append(line)
        stretch.filled = max(stretch.filled, filled)
        stretch.columns = max(stretch.columns, len(cells))
        stretch.gap = False
    if stretch.lines:
        yield stretch.block()


@dataclass(slots=True)
class _Stretch:
    """Rows that belong together: a table, or lines of one cell each, such as the name over a table."""

    lines: list[str] = field(default_factory=list)
    filled: int = 0
    """The most cells of a row that aren't empty."""
    columns: int = 0
    gap: bool = False
    """An empty row came last."""

    def takes(self, cells: list[str], filled: int) -> bool:
        """Is this row one more? After an empty row only if it looks like data of the same table."""
        if filled > 1 and self.filled == 1:
            return False
        return not self.gap or (filled > 1 and len(cells) == self.columns and any(map(_is_number, cells)))

    def block(self) -> Block:
        return Block("table" if self.filled > 1 else "text", "\n".join(self.lines))


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdecimal()


def _rows(sheet: CalamineSheet, budget: Budget) -> Iterator[list[str]]:
    """Each row's cells as they read; a cell that is merged downwards stands in all of its rows."""
    merged = _merged_downwards(sheet)
    kept: dict[tuple[int, int], str] = {}
    tops = set(merged.values())
    first_column = sheet.start[1] if sheet.start else 0
    for index, row in enumerate(sheet.iter_rows()):
        if index and index % _PROGRESS == 0:
            budget.report(f"sheet {sheet.name}, row {index:,}")
        cells = [_shown(cell) for cell in row]
        for column in range(len(cells)) if merged else ():
            at = (index, first_column + column)
            if at in tops:
                kept[at] = cells[column]
            elif at in merged and not cells[column]:
                cells[column] = kept.get(merged[at], "")
        yield cells


def _merged_downwards(sheet: CalamineSheet) -> dict[tuple[int, int], tuple[int, int]]:
    """Cell -> the cell above it that it is a part of."""
    ranges = (sheet.merged_cell_ranges or [])[:_MERGED]
    return {
        (row, left): (top, left)
        for (top, left), (bottom, right) in ranges
        if left == right and bottom - top < _MERGED_ROWS
        for row in range(top + 1, bottom + 1)
    }


def _shown(cell: Any) -> str:
    if isinstance(cell, str):
        return " ".join(cell.split())
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(cell, ".15g")
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time()
        return cell.date().isoformat() if midnight else cell.isoformat(" ", "seconds")
    if isinstance(cell, datetime.time):
        return cell.isoformat("seconds")
    return str(cell)
