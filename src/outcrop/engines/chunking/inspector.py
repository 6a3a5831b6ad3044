"""A document's chunks drawn on its pages, as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from outcrop.engines.chunking.chunk import Chunk

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --muted: #777; }
body { margin: 0 auto; max-width: 1500px; padding: 16px; font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 4px; } p, .note { color: var(--muted); margin: 0 0 16px; }
section { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 16px; margin-bottom: 32px; }
section.plain { grid-template-columns: 1fr; } h2 { grid-column: 1 / -1; font-size: 1rem; margin: 0; }
svg { width: 100%; height: auto; border: 1px solid var(--line); position: sticky; top: 8px; background: #fff; }
rect { fill-opacity: .12; stroke-width: 1.5; cursor: pointer; } rect.on { fill-opacity: .4; }
rect.label { fill-opacity: 1; }
svg text { font: bold 11px system-ui, sans-serif; fill: #fff; pointer-events: none; }
article { border: 1px solid var(--line); border-left: 6px solid; border-radius: 4px; padding: 8px 12px; }
article { margin: 0 0 8px; }
article.on { outline: 2px solid; } article header { color: var(--muted); font-size: .85rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 4px 0 0; }
@media (max-width: 800px) { section { grid-template-columns: 1fr; } svg { position: static; } }
"""

_SCRIPT = """
const parts = n => document.querySelectorAll(`[data-chunk="${n}"]`);
const light = (e, on) => { const n = e.target.closest?.("[data-chunk]")?.dataset.chunk;
  if (n !== undefined) parts(n).forEach(part => part.classList.toggle("on", on)); };
document.addEventListener("mouseover", e => light(e, true));
document.addEventListener("mouseout", e => light(e, false));
document.addEventListener("click", e => { if (e.target.tagName === "rect")
  document.querySelector(`article[data-chunk="${e.target.dataset.chunk}"]`)?.scrollIntoView({block: "center"}); });
"""


def inspection(
    name: str,
    how: str,
    chunks: Sequence[Chunk],
    pictures: Mapping[int, bytes],
    dpi: float,
    warnings: Iterable[str] = (),
) -> str:
    """The HTML. `pictures` are PNGs of pages by number, drawn at `dpi`; a page without one shows only its chunks."""
    numbers = sorted({*pictures, *(chunk.page for chunk in chunks if chunk.page is not None)})
    sections = [_page(number, [c for c in chunks if c.page == number], pictures.get(number), dpi) for number in numbers]
    if elsewhere := [chunk for chunk in chunks if chunk.page is None]:
        sections.append(_page(None, elsewhere, None, dpi))
    tokens = [chunk.tokens for chunk in chunks] or [0]
    average = sum(tokens) / len(tokens)
    facts = f"{len(chunks)} chunks, {how}; {min(tokens)} to {max(tokens)} tokens, {average:.0f} on average"
    notes = "".join(f'<div class="note">{escape(warning)}</div>' for warning in warnings)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}: chunks</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(name)}</h1><p>{escape(facts)}</p>{notes}{''.join(sections)}<script>{_SCRIPT}</script></html>\n"
    )


def _page(number: int | None, chunks: Sequence[Chunk], picture: bytes | None, dpi: float) -> str:
    cards = "".join(map(_card, chunks)) or '<div class="note">No chunk is on this page.</div>'
    drawn = _drawing(chunks, picture, dpi / 72) if picture else ""
    title = f"<h2>Page {number}</h2>" if number is not None else ""
    return f'<section class="{"" if drawn else "plain"}">{title}{drawn}<div>{cards}</div></section>'


def _drawing(chunks: Sequence[Chunk], picture: bytes, scale: float) -> str:
    width, height = struct.unpack_from(">II", picture, 16)
    image = base64.b64encode(picture).decode()
    marks = "".join(mark for chunk in chunks for mark in _marks(chunk, scale, height))
    return (
        f'<svg viewBox="0 0 {width} {height}"><image href="data:image/png;base64,{image}" width="{width}" '
        f'height="{height}"/>{marks}</svg>'
    )


def _marks(chunk: Chunk, scale: float, height: float) -> Iterator[str]:
    colour = _colour(chunk.ordinal)
    for index, (left, bottom, right, top) in enumerate(chunk.boxes):
        x, y = left * scale, height - top * scale
        yield (
            f'<rect data-chunk="{chunk.ordinal}" x="{x:.1f}" y="{y:.1f}" width="{(right - left) * scale:.1f}" '
            f'height="{(top - bottom) * scale:.1f}" fill="{colour}" stroke="{colour}">'
            f"<title>{escape(_head(chunk))}\n\n{escape(chunk.text)}</title></rect>"
        )
        if index == 0:
            label = str(chunk.ordinal + 1)
            wide = 8 + 7 * len(label)
            yield (
                f'<rect x="{x - wide:.1f}" y="{y:.1f}" width="{wide}" height="15" class="label" fill="{colour}"/>'
                f'<text x="{x - wide + 4:.1f}" y="{y + 11.5:.1f}">{label}</text>'
            )


def _card(chunk: Chunk) -> str:
    return (
        f'<article data-chunk="{chunk.ordinal}" style="border-left-color:{_colour(chunk.ordinal)}">'
        f"<header>{escape(_head(chunk))}</header><pre>{escape(chunk.text)}</pre></article>"
    )


def _head(chunk: Chunk) -> str:
    parts = [f"#{chunk.ordinal + 1}", f"{chunk.tokens} tokens"]
    if chunk.parent is not None:
        parts.append(f"parent {chunk.parent.ordinal + 1} ({chunk.parent.tokens} tokens)")
    parts += [f"{key}: {value}" for key, value in chunk.attributes]
    return " · ".join(parts + [chunk.section] * bool(chunk.section))


def _colour(ordinal: int) -> str:
    return f"hsl({ordinal * 137 % 360} 70% 40%)"
