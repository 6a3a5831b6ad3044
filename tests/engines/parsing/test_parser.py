import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pdfs import lines, nested_forms, raw, text_bomb, typeset

from outcrop.engines.parsing import ParseLimits, Parser, parse_file
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError, UnsupportedFormat
from outcrop.engines.parsing.files import dumps, loads


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseLimits(seconds=5, memory_bytes=512 << 20, pages=50), workers=2)
    await parser.open()
    yield parser
    await parser.aclose()


async def test_parse_gives_what_parse_file_gives(parser: Parser, tmp_path: Path) -> None:
    pdf = typeset(tmp_path / "stored-under-another-name", *[lambda canvas: lines(canvas, ["Hello", "world."])] * 3)
    assert await parser.parse(pdf, "folder/Week 1.PDF") == parse_file(pdf, "a.pdf")


async def test_parse_many_at_once(parser: Parser, tmp_path: Path) -> None:
    pdf = typeset(tmp_path / "a", lambda canvas: lines(canvas, ["Hello"]))
    documents = await asyncio.gather(*(parser.parse(pdf, "a.pdf") for _ in range(20)))
    assert len(set(documents)) == 1


def test_supported() -> None:
    parser = Parser()
    assert all(map(parser.supported, ["a.pdf", "B.PDF", "x/y.md", "a.html", "a.csv", "a.txt"]))
    assert not any(map(parser.supported, ["a.exe", "a", "pdf", "a.pdf.metadata.json", ".pdf"]))


async def test_parse_of_another_format_is_unsupported(parser: Parser, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"the format \.exe is not supported"):
        await parser.parse(tmp_path / "a", "a.exe")


async def test_parse_of_a_missing_file_says_so(parser: Parser, tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="can't be read"):
        await parser.parse(tmp_path / "missing", "a.pdf")


async def test_parse_of_an_empty_file_says_so(parser: Parser, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ParseError, match="the file is empty"):
        await parser.parse(tmp_path / "a", "a.pdf")


async def test_parse_refuses_too_many_pages(parser: Parser, tmp_path: Path) -> None:
    pdf = raw(tmp_path / "a", b"BT /F1 12 Tf 72 700 Td (Hello) Tj ET")
    kids = b"/Kids [" + b"3 0 R " * 200_000 + b"] /Count 200000"
    pdf.write_bytes(pdf.read_bytes().replace(b"/Kids [3 0 R] /Count 1", kids))
    with pytest.raises(ParseError, match="has 200,000 pages; at most 50"):
        await parser.parse(pdf, "a.pdf")


async def test_parse_takes_no_count_on_trust(parser: Parser, tmp_path: Path) -> None:
    pdf = raw(tmp_path / "a", b"BT /F1 12 Tf 72 700 Td (Hello) Tj ET")
    pdf.write_bytes(pdf.read_bytes().replace(b"/Count 1", b"/Count 2000000000"))
    try:
        document = await parser.parse(pdf, "a.pdf")
    except ParseError as error:
        assert "pages" in str(error)
    else:
        assert document.pages[0].blocks[0].text == "Hello"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS enforces no limit on memory")
@pytest.mark.parametrize("bomb", [text_bomb, nested_forms])
async def test_parse_survives_bombs(parser: Parser, tmp_path: Path, bomb: object) -> None:
    pdf = bomb(tmp_path / "a")  # type: ignore[operator]
    with pytest.raises(ParseError, match=r"512 MiB of memory|longer than 5 s|more text than") as caught:
        await parser.parse(pdf, "a.pdf")
    assert "page 1 of 1" in str(caught.value) or "more text" in str(caught.value)
    hello = typeset(tmp_path / "b", lambda canvas: lines(canvas, ["Hello"]))
    assert (await parser.parse(hello, "b.pdf")).pages[0].blocks[0].text == "Hello"


async def test_parse_that_takes_too_long_names_the_page(tmp_path: Path) -> None:
    parser = Parser(ParseLimits(seconds=0.4))
    page = b"BT /F1 12 Tf 1 0 0 1 72 700 Tm " + b"(word) Tj 1 0 0 1 0 0 cm " * 60_000 + b"ET"
    pdf = raw(tmp_path / "a", page)
    pdf.write_bytes(pdf.read_bytes().replace(b"/Kids [3 0 R] /Count 1", b"/Kids [" + b"3 0 R " * 40 + b"] /Count 40"))
    with pytest.raises(ParseError, match=r"parsing took longer than 0.4 s \(page \d+ of 40\)"):
        await parser.parse(pdf, "a.pdf")
    await parser.aclose()


async def test_parse_loops_end(parser: Parser, tmp_path: Path) -> None:
    form = b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >> /Length 5 >>\n"
    loop = raw(tmp_path / "a", b"/X Do", form + b"stream\n/X Do\nendstream", resources=b"/XObject << /X 5 0 R >>")
    with pytest.raises(ParseError, match="no text"):
        await parser.parse(loop, "a.pdf")
    cycle = raw(tmp_path / "b", b"BT ET")
    cycle.write_bytes(cycle.read_bytes().replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"))
    with pytest.raises(ParseError, match="PDF"):
        await parser.parse(cycle, "b.pdf")


async def test_parse_of_a_pdf_cut_anywhere_ends(parser: Parser, tmp_path: Path) -> None:
    whole = typeset(tmp_path / "a", lambda canvas: lines(canvas, ["Hello"] * 20)).read_bytes()
    path = tmp_path / "b"
    for length in range(1, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        try:
            await parser.parse(path, "b.pdf")
        except ParseError as error:
            assert str(error)


def test_documents_survive_the_way_between_processes() -> None:
    document = ParsedDocument(
        (
            Page(1, (Block("heading", "Ünï 𝒟 \ud800", (1, 2, 3.5, 4), 2), Block("text", "a\nb"))),
            Page(None, (), (("unit", "3"),)),
        ),
        "Title",
        ("page 2 has no text",),
    )
    got = loads(dumps(document))
    assert got.pages[0].blocks[0].text == "Ünï 𝒟 ?"
    assert got.pages[0].blocks[1:] == document.pages[0].blocks[1:]
    assert (got.pages[1], got.title, got.warnings) == (document.pages[1], document.title, document.warnings)
