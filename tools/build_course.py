"""Render the course, one PDF a chapter:  python tools/build_course.py OUTPUT_FOLDER

The sources are Markdown under apps/tutor/course. Two kinds of fenced blocks become figures: `flow`, whose lines are
chains of boxes (`Student -> API -> Lambda`), and `bars`, whose lines are `label: value`. The first line may be
`caption: ...`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reportlab.graphics.shapes import Drawing, Line, Polygon, Rect, String
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    KeepTogether,
    ListFlowable,
    ListItem,
    PageTemplate,
    Paragraph,
    Preformatted,
    Spacer,
    Table,
    TableStyle,
)

SOURCES = Path(__file__).parent.parent / "apps" / "tutor" / "course"
COURSE = "Generative AI on AWS"
INK, ACCENT, PALE = colors.HexColor("#1d2733"), colors.HexColor("#b4531a"), colors.HexColor("#f4efe9")
WIDTH = A4[0] - 50 * mm


def _style(name: str, **options: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name, **{"fontName": "Helvetica", "fontSize": 10.5, "leading": 15.5, "textColor": INK, **options}
    )


BODY = _style("body", spaceAfter=7, alignment=TA_LEFT)
CODE = _style("code", fontName="Courier", fontSize=8.6, leading=11.4, backColor=PALE, borderPadding=6, spaceBefore=6)
CODE.spaceAfter = 12
CELL = _style("cell", fontSize=9, leading=12)
HEAD_CELL = _style("headcell", fontSize=9, leading=12, fontName="Helvetica-Bold")
CAPTION = _style("caption", fontSize=9, leading=12, textColor=colors.HexColor("#5a6672"), spaceAfter=10)
HEADINGS = {
    "h1": _style("h1", fontName="Helvetica-Bold", fontSize=24, leading=30, textColor=ACCENT, spaceAfter=14),
    "h2": _style(
        "h2", fontName="Helvetica-Bold", fontSize=15, leading=19, spaceBefore=14, spaceAfter=7, keepWithNext=1
    ),
    "h3": _style(
        "h3", fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=8, spaceAfter=4, keepWithNext=1
    ),
}


def main(output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    pages = 0
    chapters = sorted(SOURCES.glob("[0-9]*.md"))
    for source in chapters:
        target = output / f"{source.stem}.pdf"
        pages += build(source, target)
    print(f"Rendered the course: {len(chapters)} chapters, {pages} pages, in {output}")


def build(source: Path, target: Path) -> int:
    """Render one chapter; answers its number of pages. The same source gives the same bytes."""
    text = source.read_text(encoding="utf-8")
    title = text.splitlines()[0].lstrip("# ").strip()
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))
    document = BaseDocTemplate(
        str(target), pagesize=A4, title=f"{COURSE}: {title}", author="The Outcrop project", invariant=1, lang="en"
    )
    frame = Frame(25 * mm, 22 * mm, WIDTH, A4[1] - 44 * mm, id="page")

    def footer(canvas: Any, _: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(colors.HexColor("#7a8590"))
        canvas.drawString(25 * mm, 12 * mm, f"{COURSE} · {title}")
        canvas.drawRightString(A4[0] - 25 * mm, 12 * mm, f"Page {canvas.getPageNumber()}")

    document.addPageTemplates(PageTemplate("page", [frame], onPage=footer))
    story: list[Any] = []
    for node in tree.children:
        story += _block(node)
    document.build(story)
    return int(document.page)


def _block(node: SyntaxTreeNode) -> list[Any]:
    if node.type == "heading":
        return [Paragraph(_inline(node), HEADINGS[node.tag])]
    if node.type == "paragraph":
        return [Paragraph(_inline(node), BODY)]
    if node.type in ("bullet_list", "ordered_list"):
        items = [ListItem([flow for child in item.children for flow in _block(child)]) for item in node.children]
        kind = {"bulletType": "1", "bulletFormat": "%s."} if node.type == "ordered_list" else {"bulletType": "bullet"}
        return [ListFlowable(items, leftIndent=16, bulletFontSize=9, **kind), Spacer(1, 4)]
    if node.type in ("fence", "code_block"):
        return _fence(node.info.strip(), node.content.rstrip("\n"))
    if node.type == "table":
        return _table(node)
    if node.type == "blockquote":
        quote = _style("quote", leftIndent=10, borderColor=ACCENT, backColor=PALE, borderPadding=7, spaceAfter=12)
        quote.spaceBefore = 6
        return [Paragraph(_inline(child), quote) for child in node.children]
    if node.type == "hr":
        return [Spacer(1, 10)]
    raise ValueError(f"the course uses {node.type}, which this builder doesn't know")


def _inline(node: SyntaxTreeNode) -> str:
    if node.type == "text":
        return escape(node.content)
    if node.type == "code_inline":
        return f'<font face="Courier" size="9.2">{escape(node.content)}</font>'
    if node.type in ("softbreak", "hardbreak"):
        return " "
    inner = "".join(_inline(child) for child in node.children)
    tags = {"strong": "b", "em": "i"}
    return f"<{tags[node.type]}>{inner}</{tags[node.type]}>" if node.type in tags else inner


def _table(node: SyntaxTreeNode) -> list[Any]:
    rows = [
        [Paragraph(_inline(cell), HEAD_CELL if section.type == "thead" else CELL) for cell in row.children]
        for section in node.children
        for row in section.children
    ]
    widest_words = [max(_widest_word(row[i].text) for row in rows) + 14 for i in range(len(rows[0]))]
    longest = [max(stringWidth(_plain(row[i].text), "Helvetica", 9) for row in rows) for i in range(len(rows[0]))]
    spare = WIDTH - sum(widest_words)
    wants = [max(0.0, min(length, 260) - word) + 1 for length, word in zip(longest, widest_words, strict=True)]
    widths = [word + spare * want / sum(wants) for word, want in zip(widest_words, wants, strict=True)]
    table = Table(rows, colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), PALE),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#c9bfb4")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return [Spacer(1, 4), table, Spacer(1, 10)]


def _plain(markup: str) -> str:
    return re.sub("<[^>]+>", "", markup)


def _widest_word(markup: str) -> float:
    """Points that the widest word of a cell needs; code is set in a wider face."""
    face = "Courier" if "Courier" in markup else "Helvetica-Bold"
    return max((stringWidth(word, face, 9.2) for word in _plain(markup).split()), default=0.0)


def _fence(kind: str, content: str) -> list[Any]:
    if kind not in ("flow", "bars"):
        return [KeepTogether([Preformatted(content, CODE)])]
    lines = content.splitlines()
    caption = lines.pop(0).removeprefix("caption:").strip() if lines[0].startswith("caption:") else ""
    drawing = _flow(lines) if kind == "flow" else _bars(lines)
    return [KeepTogether([Spacer(1, 6), drawing, Paragraph(escape(caption), CAPTION)])]


def _flow(lines: list[str]) -> Drawing:
    """Each line a row of boxes joined by arrows."""
    rows = [[box.strip() for box in line.split("->")] for line in lines if line.strip()]
    height, gap = 34, 16
    drawing = Drawing(WIDTH, len(rows) * (height + gap))
    for number, row in enumerate(rows):
        y = drawing.height - (number + 1) * (height + gap) + gap
        width = min(118, (WIDTH - 22 * (len(row) - 1)) / len(row))
        for position, label in enumerate(row):
            x = position * (width + 22)
            drawing.add(Rect(x, y, width, height, rx=4, ry=4, fillColor=PALE, strokeColor=ACCENT, strokeWidth=0.8))
            words = _wrap(label, width - 8)
            for index, words_line in enumerate(words):
                baseline = y + height / 2 - 3 + (len(words) - 1) * 5 - index * 10
                drawing.add(String(x + width / 2, baseline, words_line, textAnchor="middle", fontSize=8.2))
            if position:
                middle = y + height / 2
                drawing.add(Line(x - 22, middle, x - 4, middle, strokeColor=INK, strokeWidth=0.8))
                drawing.add(Polygon([x, middle, x - 5, middle + 2.6, x - 5, middle - 2.6], fillColor=INK))
    return drawing


def _bars(lines: list[str]) -> Drawing:
    rows = [(label.strip(), float(value)) for label, value in (line.rsplit(":", 1) for line in lines if line.strip())]
    most = max(value for _, value in rows)
    drawing = Drawing(WIDTH, len(rows) * 20 + 6)
    for number, (label, value) in enumerate(rows):
        y = drawing.height - (number + 1) * 20
        drawing.add(String(0, y + 4, label, fontSize=8.4))
        length = (WIDTH - 210) * value / most
        drawing.add(Rect(160, y, length, 13, fillColor=ACCENT, strokeColor=None))
        drawing.add(String(165 + length, y + 4, f"{value:g}", fontSize=8.4))
    return drawing


def _wrap(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and stringWidth(longer, "Helvetica", 8.2) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
