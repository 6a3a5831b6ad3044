"""Scanned pages. The tests that read a picture use Tesseract or RapidOCR where one is installed, and say so if not."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pdfs import HEIGHT, WIDTH, lines, typeset

from outcrop.engines.parsing import ParseLimits, Parser, ocr, parse_file
from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import ParsedDocument, ParseError
from outcrop.engines.parsing.pdf.file import read
from outcrop.engines.parsing.recognised import Recognised

TEXT = [
    "Objects are stored in several places, which makes the",
    "storage durable. A service like this has a cheaper tier",
    "as well, for what is hardly ever read again.",
]
needs_ocr = pytest.mark.skipif(ocr.find() is None, reason=f"nothing here reads scans: {ocr.ADVICE}")


def picture(path: Path, *pages: Any, turn: int = 0) -> Path:
    """The pages as pictures, in a PDF without text."""
    import pypdfium2
    from reportlab.lib.utils import ImageReader

    source = pypdfium2.PdfDocument(typeset(path.with_suffix(".source"), *pages))
    images = [ImageReader(page.render(scale=2.5, rotation=turn).to_pil()) for page in source]
    source.close()
    size = (HEIGHT, WIDTH) if turn % 180 else (WIDTH, HEIGHT)

    def show(image: Any) -> Any:
        return lambda canvas: (canvas.setPageSize(size), canvas.drawImage(image, 0, 0, *size))

    return typeset(path, *map(show, images))


def page(canvas: Any) -> None:
    lines(canvas, ["Storage"], y=740, size=20, font="Helvetica-Bold")
    lines(canvas, TEXT, y=700, size=12)


def texts(document: ParsedDocument, number: int = 1) -> list[str]:
    return [block.text for each in document.pages if each.number == number for block in each.blocks]


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseLimits(), workers=2)
    await parser.open()
    yield parser
    await parser.aclose()


@needs_ocr
async def test_scans_are_read_and_other_pages_are_not(parser: Parser, tmp_path: Path) -> None:
    import pypdfium2
    from reportlab.lib.utils import ImageReader

    scan = pypdfium2.PdfDocument(picture(tmp_path / "scan.pdf", page))
    image = ImageReader(scan[0].render(scale=2.5).to_pil())
    scan.close()
    pdf = typeset(
        tmp_path / "a.pdf",
        page,
        lambda canvas: canvas.drawImage(image, 0, 0, WIDTH, HEIGHT),
        lambda canvas: None,
    )
    document = await parser.parse(pdf, "a.pdf")
    assert texts(document, 1) == ["Storage", " ".join(TEXT)]
    assert texts(document, 2) == texts(document, 1)
    assert [block.kind for block in document.pages[1].blocks] == ["heading", "text"]
    for typed, scanned in zip(document.pages[0].blocks, document.pages[1].blocks, strict=True):
        assert typed.box == pytest.approx(scanned.box, abs=6)
    assert document.warnings == ("page 3 has no text",)
    assert document.scanned == ()


@needs_ocr
def test_a_scan_that_lies_on_its_side_is_read(tmp_path: Path) -> None:
    if ocr.find() == ocr.RAPID:
        pytest.skip("RapidOCR reads turned lines one by one; only Tesseract tells how a page lies")
    more = [f"{number}. {line}" for number, line in enumerate(TEXT * 4)]

    def long(canvas: Any) -> None:
        page(canvas)
        lines(canvas, more, y=600, size=12)

    document = parse_file(picture(tmp_path / "a.pdf", long, turn=90))
    assert texts(document)[:2] == ["Storage", " ".join(TEXT)]
    left, bottom, right, top = document.pages[0].blocks[0].box or (0, 0, 0, 0)
    assert right - left < top - bottom
    assert left == pytest.approx(740, abs=8)


@needs_ocr
def test_a_page_of_nothing_but_a_photo_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="OCR found none"):
        parse_file(picture(tmp_path / "a.pdf", lambda canvas: canvas.circle(300, 400, 100, fill=1)))


async def test_without_ocr_the_failure_says_what_to_install(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "find", lambda: None)
    scan = picture(tmp_path / "a.pdf", page, page)
    with pytest.raises(ParseError, match=r"2 page\(s\), which are scans: .*tesseract-ocr.*outcrop\[ocr\]"):
        await parser.parse(scan, "a.pdf")
    with pytest.raises(ParseError, match="which are scans"):
        parse_file(scan)


async def test_a_mixed_document_is_read_without_ocr_and_warns(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    monkeypatch.setattr(ocr, "find", lambda: None)
    grey = io.BytesIO()
    Image.new("L", (600, 800), 128).save(grey, "PNG")
    image = ImageReader(grey)
    pdf = typeset(tmp_path / "a.pdf", page, lambda canvas: canvas.drawImage(image, 0, 0, WIDTH, HEIGHT))
    document = await parser.parse(pdf, "a.pdf")
    assert texts(document) == ["Storage", " ".join(TEXT)]
    (warning,) = document.warnings
    assert warning.startswith("what is scanned on page 2 was not read: to read scans, install Tesseract")
    assert document == parse_file(pdf)


async def test_a_recogniser_that_fails_is_named(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocr, "find", lambda: "/bin/false")
    with pytest.raises(ParseError, match="which are scans: Tesseract failed"):
        await parser.parse(picture(tmp_path / "a.pdf", page), "a.pdf")


def test_what_was_recognised_is_laid_out_as_text_is(tmp_path: Path) -> None:
    scan = picture(tmp_path / "a.pdf", page)
    line = ("A line that was re-", 72.0, 697.0, 300.0, 712.0, 700.0, 12.0)
    other = ("cognised on the page.", 72.0, 682.0, 300.0, 697.0, 685.0, 12.0)
    seen = [Recognised(1, WIDTH, HEIGHT, 0, (line, other))]
    document = read(scan, Budget(), seen)
    assert texts(document) == ["A line that was recognised on the page."]
    assert document.pages[0].blocks[0].box == (72, 682, 300, 712)


@pytest.mark.parametrize(
    ("draw", "scanned"),
    [
        (page, ()),
        (lambda canvas: lines(canvas, ["5"]), ()),
        (lambda canvas: [canvas.line(72, y, 500, y) for y in range(100, 300)], (1,)),
    ],
)
def test_only_pages_that_may_be_pictures_of_text_are_looked_at(tmp_path: Path, draw: Any, scanned: object) -> None:
    assert read(typeset(tmp_path / "a.pdf", draw), Budget()).scanned == scanned
