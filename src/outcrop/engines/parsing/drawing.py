"""Pages of a PDF as pictures: drawn whole or in part, and where on them the figures are."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from outcrop.engines.parsing.document import ParseError

Box = tuple[float, float, float, float]

PIXELS = 16_000_000
"""A picture has no more, whatever resolution is asked for."""
_FIGURE = 0.02
"""A figure covers at least this share of its page."""
_SIDE = 36.0
_NEAR = 8.0
"""Pictures that stand so near each other are one figure."""
_OBJECTS = 5_000


def work(payload: bytes, report: Callable[[str], None]) -> bytes:
    """The worker's function for all that needs a page's looks."""
    request = json.loads(payload)
    path = Path(request["path"])
    match request["do"]:
        case "recognise":
            from outcrop.engines.parsing.ocr import work as recognise

            return recognise(payload, report)
        case "draw":
            report(f"drawing page {request['page']}")
            return draw(path, request["page"], request["region"], request["dpi"])
        case "figures":
            return json.dumps(figures(path, request["pages"], report)).encode()
    raise ValueError(f"nothing is done for {request['do']!r}")


def draw(path: Path, number: int, region: Box | None = None, dpi: float = 150) -> bytes:
    """Page `number`, counted from 1, as a PNG in colour; only the `region` of it if there is one, in points from the
    lower left corner of the page as it is shown, as in `Block.box`. Raises `ParseError`."""
    with _opened(path) as document:
        page = _page(document, number)
        width, height = page.get_size()
        if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
            raise ParseError(f"page {number} is {width:g} x {height:g} points, which can't be drawn")
        left, bottom, right, top = region or (0.0, 0.0, width, height)
        left, bottom, right, top = max(0.0, left), max(0.0, bottom), min(width, right), min(height, top)
        if right - left < 1 or top - bottom < 1:
            raise ParseError(f"the region to draw does not lie on page {number}")
        scale = min(dpi / 72, (PIXELS / ((right - left) * (top - bottom))) ** 0.5)
        bitmap = page.render(scale=scale, crop=(left, bottom, width - right, height - top), rev_byteorder=True)
        try:
            return _png(bytes(bitmap.buffer), bitmap.width, bitmap.height, bitmap.stride, bitmap.n_channels)
        finally:
            bitmap.close()


def figures(path: Path, most: int, report: Callable[[str], None]) -> list[tuple[int, Box]]:
    """Where pictures of some size stand on the first `most` pages: page numbers and boxes as in `Block.box`."""
    found: list[tuple[int, Box]] = []
    with _opened(path) as document:
        for number in range(1, min(len(document), most) + 1):
            report(f"page {number} of {len(document)}")
            try:
                page = _page(document, number)
            except ParseError:
                continue
            found += [(number, box) for box in _figures(page)]
            page.close()
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise ParseError(f"the PDF can't be opened: {error}") from None
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise ParseError(f"the PDF can't be drawn: {error}") from None
    finally:
        document.close()


def _page(document: Any, number: int) -> Any:
    import pypdfium2

    if not 1 <= number <= len(document):
        raise ParseError(f"the PDF has no page {number}, only {len(document)}")
    try:
        return document[number - 1]
    except pypdfium2.PdfiumError as error:
        raise ParseError(f"page {number} can't be read: {error}") from None


def _figures(page: Any) -> list[Box]:
    import pypdfium2
    import pypdfium2.raw as pdfium

    from outcrop.engines.parsing.pdf.segments import turned

    left, bottom, right, top = page.get_bbox()
    width, height = right - left, top - bottom
    boxes: list[Box] = []
    for item in itertools.islice(page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=3), _OBJECTS):
        try:
            x0, y0, x1, y1 = item.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        box = (max(x0, left) - left, max(y0, bottom) - bottom, min(x1, right) - left, min(y1, top) - bottom)
        if box[2] > box[0] and box[3] > box[1]:
            boxes.append(turned(box, -pdfium.FPDFPage_GetRotation(page), width, height))
    return [
        box
        for box in _merged(boxes)
        if min(box[2] - box[0], box[3] - box[1]) >= _SIDE
        and (box[2] - box[0]) * (box[3] - box[1]) >= _FIGURE * width * height
    ]


def _merged(boxes: list[Box]) -> list[Box]:
    """Those that touch as one, from top to bottom."""
    merged: list[Box] = []
    for box in sorted(boxes, key=lambda each: (-each[3], each[0]))[:500]:
        touching = [each for each in merged if _touch(each, box)]
        while touching:
            for each in touching:
                merged.remove(each)
                box = (min(box[0], each[0]), min(box[1], each[1]), max(box[2], each[2]), max(box[3], each[3]))
            touching = [each for each in merged if _touch(each, box)]
        merged.append(box)
    return sorted(merged, key=lambda each: (-each[3], each[0]))


def _touch(a: Box, b: Box) -> bool:
    return a[0] - _NEAR < b[2] and b[0] - _NEAR < a[2] and a[1] - _NEAR < b[3] and b[1] - _NEAR < a[3]


def _png(pixels: bytes, width: int, height: int, stride: int, channels: int) -> bytes:
    rows = bytearray()
    for row in range(height):
        line = pixels[row * stride : row * stride + width * channels]
        if channels == 4:
            line = b"".join(line[at : at + 3] for at in range(0, len(line), 4))
        rows += b"\0" + line

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colours = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 6)) + part(b"IEND", b"")
