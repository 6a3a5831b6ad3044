"""Text on the page that nobody sees: outside it, invisible, or white on white. It is left out, with a warning.

Whether white text can be seen (it can on a dark ground) is decided by looking: the page is drawn, and a box of one
single shade shows nothing.
"""

from __future__ import annotations

from typing import Any

from outcrop.engines.parsing.pdf.segments import PageText, Segment, turned

_PIXELS = 1_000_000
_FLAT = 12


def drop_hidden(page: Any, content: PageText) -> int:
    """Removes what can't be seen from the page, in place, and counts its characters.

    Invisible text stays if it is most of the page: it is the text that belongs to a scan.
    """
    before = sum(len(segment.text) for segment in content.segments)
    shown = [segment for segment in content.segments if _on_page(segment, content)]
    hidden = sum(len(segment.text) for segment in shown if segment.hidden)
    if hidden < 0.5 * sum(len(segment.text) for segment in shown):
        shown = [segment for segment in shown if not segment.hidden]
    white = [segment for segment in shown if segment.white and not segment.hidden]
    if white:
        unseen = _unseen(page, content, white)
        shown = [segment for segment in shown if id(segment) not in unseen]
    content.segments = shown
    return before - sum(len(segment.text) for segment in shown)


def _on_page(segment: Segment, content: PageText) -> bool:
    return segment.x1 > 0 and segment.y1 > 0 and segment.x0 < content.width and segment.y0 < content.height


def _unseen(page: Any, content: PageText, segments: list[Segment]) -> set[int]:
    width, height = page.get_size()
    if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
        return set()
    scale = min(2.0, (_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True, rev_byteorder=False)
    try:
        pixels, stride = memoryview(bitmap.buffer).cast("B"), bitmap.stride
        across, down = bitmap.width, bitmap.height
        unseen = set()
        for segment in segments:
            box = (segment.x0, segment.y0, segment.x1, segment.y1)
            box = turned(box, content.turn - content.rotation, content.width, content.height)
            left, right = max(0, int(box[0] * scale)), min(across, int(box[2] * scale) + 1)
            top, bottom = max(0, int(down - box[3] * scale)), min(down, int(down - box[1] * scale) + 1)
            lines = [bytes(pixels[y * stride + left : y * stride + right]) for y in range(top, bottom)]
            shades = b"".join(lines)
            if not shades or max(shades) - min(shades) < _FLAT:
                unseen.add(id(segment))
        return unseen
    finally:
        bitmap.close()
