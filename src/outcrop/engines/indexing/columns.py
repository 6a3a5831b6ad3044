"""One metadata attribute of every row, held as numbers: a filter then looks at each distinct value once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from outcrop.engines.indexing.filters import MISSING, AllOf, Compare, Filter, passes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Column:
    """The values of one key by row; rows are only ever appended, or thinned out by `keep`."""

    def __init__(self, values: Iterable[Any] = ()) -> None:
        self._codes: NDArray[np.int32] = np.zeros(0, np.int32)
        self._size = 0
        self._values: list[Any] = []
        self._code_of: dict[Any, int] = {}
        self.extend(values)

    def extend(self, values: Iterable[Any]) -> None:
        codes = np.fromiter((self._code(value) for value in values), np.int32)
        size = self._size + len(codes)
        if size > len(self._codes):
            grown = np.zeros(max(size, 2 * len(self._codes), 1024), np.int32)
            grown[: self._size] = self._codes[: self._size]
            self._codes = grown
        self._codes[self._size : size] = codes
        self._size = size

    def keep(self, rows: NDArray[np.bool_]) -> None:
        self._codes = self._codes[: self._size][rows]
        self._size = len(self._codes)

    def passing(self, comparison: Compare) -> NDArray[np.bool_]:
        """For each row whether it passes."""
        verdicts = np.fromiter(
            (passes(comparison.operator, value, comparison.value) for value in self._values), bool, len(self._values)
        )
        return verdicts[self._codes[: self._size]]

    def _code(self, value: Any) -> int:
        key = _hashable(value)
        code = self._code_of.get(key)
        if code is None:
            code = self._code_of[key] = len(self._values)
            self._values.append(value)
        return code


def passing(where: Filter, column: Callable[[str], Column], size: int) -> NDArray[np.bool_]:
    """For each of `size` rows whether it passes the whole filter."""
    if isinstance(where, Compare):
        return column(where.key).passing(where)
    every = isinstance(where, AllOf)
    verdict = np.full(size, every)
    for part in where.parts:
        if every:
            verdict &= passing(part, column, size)
        else:
            verdict |= passing(part, column, size)
    return verdict


def _hashable(value: Any) -> Any:
    """A dictionary key that keeps `1`, `True` and `"1"` apart."""
    if isinstance(value, list | tuple):
        return (list, tuple(_hashable(one) for one in value))
    if value is MISSING or isinstance(value, str):
        return value
    return (type(value), repr(value))
