import random
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from offices import cell, docx, listed, paragraph, row, run, sheet, table, xlsx

from outcrop.engines.chunking import chunk
from outcrop.engines.chunking.chunk import Strategy
from outcrop.engines.parsing import ParseLimits, Parser, parse_file
from outcrop.engines.parsing.document import ParsedDocument, ParseError

FILES = Path(__file__).parent / "files"


def blocks(document: ParsedDocument) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, block.text) for page in document.pages for block in page.blocks]


def test_docx_becomes_blocks(tmp_path: Path) -> None:
    body = (
        paragraph("The Course", "Title")
        + paragraph("Storage", "Mine")
        + paragraph("Buckets", "H2")
        + paragraph(run("A bucket has ") + run("one", "<w:b/>") + "<w:r><w:noBreakHyphen/><w:t>of</w:t></w:r>")
        + listed("third")
        + listed("inner", 1)
        + listed("fourth")
        + paragraph("x = 1", "Code")
        + paragraph(run("  y = 2", '<w:rFonts w:ascii="Courier New"/>'))
        + paragraph("Functions", "H1")
    )
    document = parse_file(docx(tmp_path / "a.docx", body))
    assert document.title == "The Course"
    assert [page.number for page in document.pages] == [None]
    assert blocks(document) == [
        ("heading", 1, "The Course"),
        ("heading", 2, "1 Storage"),
        ("heading", 3, "1.1 Buckets"),
        ("text", 0, "A bucket has one-of"),
        ("list", 0, "(III) third\n  - inner\n(IV) fourth"),
        ("code", 0, "x = 1\n  y = 2"),
        ("heading", 2, "2 Functions"),
    ]


def test_docx_tables_keep_their_columns(tmp_path: Path) -> None:
    inner = table(row("p", "q"), row("r", "s"))
    body = table(
        row("Class", "Price", "Note"),
        row(cell("Standard", '<w:vMerge w:val="restart"/>'), "1", "a"),
        row(cell(paragraph("<w:r></w:r>"), "<w:vMerge/>"), "2", cell(paragraph("two") + paragraph("lines"))),
        row(cell("Archive", '<w:gridSpan w:val="2"/>'), "slow"),
        row("Inner", cell(inner + paragraph("below")), ""),
    )
    (found,) = blocks(parse_file(docx(tmp_path / "a.docx", body)))
    assert found[2].split("\n") == [
        "Class | Price | Note",
        "Standard | 1 | a",
        "Standard | 2 | two lines",
        "Archive |  | slow",
        "Inner | p, q; r, s below | ",
    ]


def test_docx_shows_what_a_reader_sees(tmp_path: Path) -> None:
    field = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGEREF x</w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>' + run("12") + '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    box = (
        '<w:r><mc:AlternateContent xmlns:mc="m"><mc:Choice><w:txbxContent>'
        + paragraph("In the box")
        + "</w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent>"
        + paragraph("In the box")
        + "</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"
    )
    body = (
        paragraph(
            run("Seen") + f"<w:del>{run(' gone')}</w:del><w:ins>{run(' added')}</w:ins>" + run("x", "<w:vanish/>")
        )
        + paragraph(run("See page ") + field)
        + paragraph(run("With a note") + '<w:r><w:footnoteReference w:id="2"/></w:r>')
        + paragraph(run("Around") + box)
        + paragraph('<w:r><wp:docPr xmlns:wp="w" descr="A chart of sales"/></w:r>')
    )
    notes = f'<w:footnotes xmlns:w="w"><w:footnote w:id="2">{paragraph("The note.")}</w:footnote></w:footnotes>'
    document = parse_file(docx(tmp_path / "a.docx", body, {"word/footnotes.xml": notes}))
    assert [text for _, _, text in blocks(document)] == [
        "Seen added",
        "See page 12",
        "With a note",
        "The note.",
        "In the box",
        "Around",
        "A chart of sales",
    ]


def test_doc_of_word_97_becomes_blocks() -> None:
    document = parse_file(FILES / "course.doc")
    assert document.title == "Course Notes"
    assert blocks(document) == [
        ("heading", 1, "Storage"),
        ("text", 0, "Objects are kept in buckets, and a bucket’s name is unique. Größe € “quoted”."),
        ("heading", 2, "Steps"),
        (
            "list",
            0,
            "- Make a bucket\n  - choose a name\n  - choose a region\n- Put an object\n- red\n- green\n  - dark green",
        ),
        ("heading", 2, "Prices"),
        (
            "table",
            0,
            "Class | Price | Note\nStandard | 0.023 | first 50 TB\n | 0.022 | next 450 TB\nArchive | slow",
        ),
        ("text", 0, "After the table.\nA second line."),
        ("code", 0, "def f(x):\n    return x"),
        ("heading", 1, "Functions"),
        ("text", 0, "A function gets an event. 日本語の文。"),
    ]


SALES = (
    "table",
    0,
    "Region | City | Date | Amount\nNorth | Oslo | 2025-03-01 | 1200.5\nNorth | Bergen | 2025-03-02 | 7\n"
    "South | Rome | 2025-03-03 | 0.1\nTotal |  |  | 1207.6",
)


def test_xls_becomes_tables() -> None:
    assert blocks(parse_file(FILES / "sales.xls")) == [
        ("heading", 1, "Sheet1"),
        ("text", 0, "Sales of 2025"),
        SALES,
    ]


def test_xlsx_is_a_page_a_sheet_and_a_table_a_stretch_of_rows(tmp_path: Path) -> None:
    first = sheet(
        {
            3: {"B": "Sales"},
            5: {"B": "Region", "C": "Amount"},
            6: {"B": "North", "C": 1200.5},
            7: {"C": 7},
            9: {"B": "Total", "C": 1207.5},
            11: {"B": "Name", "C": "Boss"},
            12: {"B": "North", "C": "Ann"},
        },
        "B6:B7",
    )
    book = xlsx(tmp_path / "a.xlsx", {"One": first, "Two": sheet({1: {"A": "x"}}), "Hid": first}, hidden="Hid")
    document = parse_file(book)
    assert [[block.text for block in page.blocks] for page in document.pages] == [
        ["One", "Sales", "Region | Amount\nNorth | 1200.5\nNorth | 7\nTotal | 1207.5", "Name | Boss\nNorth | Ann"],
        ["Two", "x"],
    ]
    assert document.warnings == ("the hidden sheet 'Hid' is left out",)


def test_sheets_are_cut_between_rows_and_repeat_their_header(tmp_path: Path) -> None:
    rows = {1: {"A": "Name", "B": "Price"}, **{at: {"A": f"item {at}", "B": at} for at in range(2, 80)}}
    document = parse_file(xlsx(tmp_path / "a.xlsx", {"Prices": sheet(rows), "Other": sheet({1: {"A": "alone"}})}))

    def words(text: str) -> list[tuple[int, int]]:
        return [(at, at + 1) for at, letter in enumerate(text) if letter == " "]

    chunks = chunk(document, Strategy("default", 40), words)
    assert len(chunks) > 3
    assert all("Name | Price\nitem" in each.text for each in chunks[:-1])
    assert {each.section for each in chunks[:-1]} == {"Prices"}
    assert (chunks[-1].text, chunks[-1].section) == ("Other\nalone", "Other")


BOMB = "<!DOCTYPE w [<!ENTITY a '" + "x" * 1000 + "'><!ENTITY b '" + "&a;" * 1000 + "'>]>"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.docx", b"no zip", "not a Word document"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(600), "encrypted, or in the format of before 2007"),
        ("a.xlsx", b"no zip", "not a workbook"),
        ("a.xlsx", b"PK\x03\x04" + bytes(600), "not a workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged"),
        ("a.xls", b"<table>", "not a workbook"),
        ("a.doc", b"{\\rtf1 hello}", "rich text"),
        ("a.doc", b"PK\x03\x04", "name .docx"),
        ("a.doc", b"<html>", "name .html"),
        ("a.doc", b"hello", "not a Word document"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged|not a Word document"),
    ],
)
def test_what_is_no_office_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParseError, match=says):
        parse_file(tmp_path / name)


def test_office_files_without_text_say_so(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no text"):
        parse_file(docx(tmp_path / "a.docx", paragraph(" ")))
    with pytest.raises(ParseError, match="no text"):
        parse_file(xlsx(tmp_path / "a.xlsx", {"S": sheet({})}))


def test_an_encrypted_doc_says_so(tmp_path: Path) -> None:
    data = bytearray((FILES / "course.doc").read_bytes())
    start = data.index(b"\xec\xa5")
    data[start + 11] |= 1
    (tmp_path / "a.doc").write_bytes(data)
    with pytest.raises(ParseError, match="encrypted"):
        parse_file(tmp_path / "a.doc")


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseLimits(seconds=8, memory_bytes=512 << 20))
    await parser.open()
    yield parser
    await parser.aclose()


async def test_bombs_in_office_files_are_named(parser: Parser, tmp_path: Path) -> None:
    laughs = docx(tmp_path / "laughs.docx", paragraph("&b;"), head=BOMB)
    with pytest.raises(ParseError, match="entities"):
        await parser.parse(laughs, laughs.name)
    deep = docx(tmp_path / "deep.docx", table(row("")).replace("<w:p>", "<w:tbl><w:tr><w:tc>" * 3000, 1))
    with pytest.raises(ParseError, match="nested too deeply"):
        await parser.parse(deep, deep.name)
    far = xlsx(tmp_path / "far.xlsx", {"S": sheet({1: {"A": 1}, 1_048_576: {"XFD": 1}})})
    with pytest.raises(ParseError, match="1,048,576 rows and 16,384 columns"):
        await parser.parse(far, far.name)
    zeros = tmp_path / "zeros.docx"
    with (
        zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("word/document.xml", "w") as part,
    ):
        part.write(b"<a>")
        for _ in range(450):
            part.write(b" " * (1 << 20))
    with pytest.raises(ParseError, match="unpacks to more than 400 MiB"):
        await parser.parse(zeros, zeros.name)
    hello = docx(tmp_path / "b.docx", paragraph("Hello"))
    assert (await parser.parse(hello, hello.name)).pages[0].blocks[0].text == "Hello"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS enforces no limit on memory")
@pytest.mark.parametrize("name", ["course.doc", "sales.xls", "a.docx", "a.xlsx"])
async def test_mutated_office_files_are_read_or_named(parser: Parser, tmp_path: Path, name: str) -> None:
    if name == "a.docx":
        docx(tmp_path / name, paragraph("Storage", "H1") + listed("one") + table(row("a", "b"), row("c", "d")))
    elif name == "a.xlsx":
        xlsx(tmp_path / name, {"S": sheet({1: {"A": "x", "B": 2}, 2: {"A": "y", "B": 3}}, "A1:A2")})
    data = (tmp_path / name).read_bytes() if name[0] == "a" else (FILES / name).read_bytes()
    generator = random.Random(7)
    outcomes = []
    for _ in range(60):
        mutated = bytearray(data)
        for _ in range(generator.choice((1, 4, 40))):
            at = generator.randrange(len(mutated))
            mutated[at : at + generator.choice((1, 4))] = generator.randbytes(generator.choice((1, 1, 4)))
        if generator.random() < 0.2:
            del mutated[generator.randrange(len(mutated)) :]
        path = tmp_path / "mutated"
        path.write_bytes(mutated or b"x")
        try:
            await parser.parse(path, name)
            outcomes.append("")
        except ParseError as error:
            outcomes.append(str(error))
    assert any(outcomes)
    assert not [each for each in outcomes if "exit status" in each], outcomes
