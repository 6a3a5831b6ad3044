"""Page numbers for people."""

from __future__ import annotations


def ranges(numbers: list[int]) -> str:
    """`page 7`, `pages 1–3, 9`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    parts = [str(first) if first == last else f"{first}–{last}" for first, last in runs]
    shown = ", ".join(parts[:20]) + (" …" if len(parts) > 20 else "")
    return f"page{'s' if len(numbers) > 1 else ''} {shown}"
