"""PDFs for the tests, made here: some typeset with reportlab, some written by hand to do harm."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 595.0, 842.0
Draw = Callable[[Any], None]


def typeset(path: Path, *pages: Draw, rotate: int = 0, password: str = "", title: str = "") -> Path:
    """A PDF of A4 pages, each drawn by a function that gets reportlab's canvas."""
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    encryption = StandardEncryption(password, canPrint=0) if password else None
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), encrypt=encryption)
    if title:
        canvas.setTitle(title)
    for draw in pages:
        if rotate:
            canvas.setPageRotation(rotate)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    path.write_bytes(buffer.getvalue())
    return path


def lines(
    canvas: Any, texts: Iterable[str], x: float = 72, y: float = 700, size: float = 10, font: str = "Helvetica"
) -> float:
    """Draws lines below each other and tells where the next one would stand."""
    canvas.setFont(font, size)
    for text in texts:
        canvas.drawString(x, y, text)
        y -= 1.2 * size
    return y


def raw(path: Path, content: bytes, *objects: bytes, stream: str = "", resources: bytes = b"") -> Path:
    """A PDF of one page with this content stream; further objects are numbered from 5."""
    head = b"<< /Length %d %s >>\nstream\n" % (len(content), stream.encode())
    all_objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> %s >> >>" % resources,
        head + content + b"\nendstream",
        *objects,
    ]
    data = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(all_objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(all_objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(all_objects) + 1, start)
    path.write_bytes(data)
    return path


def text_bomb(path: Path, megabytes: int = 300) -> Path:
    """A content stream, compressed twice, that shows text without end."""
    compressor = zlib.compressobj(9)
    line = b"BT /F1 9 Tf 10 10 Td (bomb bomb bomb bomb bomb bomb) Tj ET\n" * 16_000
    once = b"".join(compressor.compress(line) for _ in range(megabytes)) + compressor.flush()
    return raw(path, zlib.compress(once, 9), stream="/Filter [/FlateDecode /FlateDecode]")


def nested_forms(path: Path, depth: int = 12, width: int = 10) -> Path:
    """Forms that each show the next one ten times: 10^12 words."""
    forms = []
    for level in range(depth):
        last = level == depth - 1
        content = b"BT /F1 9 Tf (ha) Tj ET" if last else b"/X Do " * width
        inner = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
        inner = inner if last else b"/XObject << /X %d 0 R >>" % (6 + level)
        forms.append(
            b"<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << %s >> /Length %d >>\nstream\n"
            % (inner, len(content))
            + content
            + b"\nendstream"
        )
    return raw(path, b"/X Do " * width, *forms, resources=b"/XObject << /X 5 0 R >>")
