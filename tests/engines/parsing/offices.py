"""Word documents and workbooks for the tests, written by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'

STYLES = f"""<w:styles {W}>
<w:style w:type="paragraph" w:styleId="Normal"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>
<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="9"/></w:numPr>
</w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="H2"><w:name w:val="heading 2"/><w:pPr><w:numPr><w:ilvl w:val="1"/>
<w:numId w:val="9"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="My chapter"/><w:basedOn w:val="H1"/></w:style>
<w:style w:type="paragraph" w:styleId="Code"><w:name w:val="Source Code"/></w:style>
</w:styles>"""

NUMBERING = f"""<w:numbering {W}>
<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/>
<w:lvlText w:val="%1"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/>
<w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="2"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="upperRoman"/>
<w:lvlText w:val="(%1)"/></w:lvl><w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
</w:abstractNum>
<w:num w:numId="9"><w:abstractNumId w:val="1"/></w:num><w:num w:numId="4"><w:abstractNumId w:val="2"/></w:num>
</w:numbering>"""


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(content: str, style: str = "Normal", properties: str = "") -> str:
    content = content if content.startswith("<") else run(content)
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{properties}</w:pPr>{content}</w:p>'


def listed(text: str, depth: int = 0) -> str:
    numbers = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="4"/></w:numPr>'
    return paragraph(text, properties=numbers)


def cell(content: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content if content.startswith('<') else paragraph(content)}</w:tc>"


def row(*cells: str) -> str:
    return f"<w:tr>{''.join(each if each.startswith('<w:tc>') else cell(each) for each in cells)}</w:tr>"


def table(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def docx(path: Path, body: str, parts: Mapping[str, str] | None = None, head: str = "") -> Path:
    main = f"{head}<w:document {W}><w:body>{body}</w:body></w:document>"
    every = {"word/document.xml": main, "word/styles.xml": STYLES, "word/numbering.xml": NUMBERING, **(parts or {})}
    return package(path, every)


def package(path: Path, parts: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def sheet(rows: Mapping[int, Mapping[str, object]], merged: str = "") -> str:
    """Rows by number, cells by column letter; text in line."""
    lines = []
    for number, cells in rows.items():
        inner = ""
        for column, content in cells.items():
            reference = f"{column}{number}"
            if isinstance(content, str):
                inner += f'<c r="{reference}" t="inlineStr"><is><t>{content}</t></is></c>'
            else:
                inner += f'<c r="{reference}"><v>{content}</v></c>'
        lines.append(f'<row r="{number}">{inner}</row>')
    merges = f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else ""
    return f"<worksheet {S}><sheetData>{''.join(lines)}</sheetData>{merges}</worksheet>"


def xlsx(path: Path, sheets: Mapping[str, str], hidden: str = "") -> Path:
    """Sheets by name."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def state(name: str) -> str:
        return "hidden" if name == hidden else "visible"

    entries = "".join(
        f'<sheet name="{name}" sheetId="{at}" r:id="r{at}" state="{state(name)}"/>' for at, name in enumerate(sheets, 1)
    )
    relations = "".join(
        f'<Relationship Id="r{at}" Type="{kind}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    package_ns = "http://schemas.openxmlformats.org/package/2006"
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{at}.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for at in range(1, len(sheets) + 1)
    )
    return package(
        path,
        {
            "[Content_Types].xml": f'<Types xmlns="{package_ns}/content-types">{types}</Types>',
            "_rels/.rels": f'<Relationships xmlns="{package_ns}/relationships"><Relationship Id="r1" '
            f'Type="{kind}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f"<workbook {S} {R}><sheets>{entries}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package_ns}/relationships">{relations}'
            "</Relationships>",
            **{f"xl/worksheets/sheet{at}.xml": xml for at, xml in enumerate(sheets.values(), 1)},
        },
    )
