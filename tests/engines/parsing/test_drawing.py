import io
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pdfs import HEIGHT, WIDTH, lines, nested_forms, typeset
from PIL import Image

from outcrop.engines.parsing import ParseLimits, Parser, ocr
from outcrop.engines.parsing.document import ParseError


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser(ParseLimits(seconds=8, memory_bytes=512 << 20, scan_seconds=8, scan_memory_bytes=512 << 20))
    await parser.open()
    yield parser
    await parser.aclose()


def square(canvas: Any) -> None:
    canvas.setFillColorRGB(1, 0, 0)
    canvas.rect(100, 200, 300, 100, stroke=0, fill=1)


async def shown(parser: Parser, path: Path, *arguments: Any, **options: Any) -> Image.Image:
    return Image.open(io.BytesIO(await parser.draw(path, *arguments, **options))).convert("RGB")


async def test_draw_gives_a_png_of_the_page(parser: Parser, tmp_path: Path) -> None:
    pdf = typeset(tmp_path / "a.pdf", lambda canvas: None, square)
    image = await shown(parser, pdf, 2, dpi=72)
    assert image.size == (WIDTH, HEIGHT)
    assert image.getpixel((250, round(HEIGHT) - 250)) == (255, 0, 0)
    assert image.getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize("rotate", [0, 90])
async def test_draw_gives_a_region_of_the_page_as_it_is_shown(parser: Parser, tmp_path: Path, rotate: int) -> None:
    pdf = typeset(tmp_path / "a.pdf", square, rotate=rotate)
    region = (
        (100, 200, 400, 300) if not rotate else (200, HEIGHT - 400, 300, HEIGHT - 100)
    )  # reportlab turns the sheet too
    image = await shown(parser, pdf, 1, region, dpi=72)
    assert image.size == ((300, 100) if not rotate else (100, 300))
    assert image.resize((3, 3)).getcolors() == [(9, (255, 0, 0))]


async def test_draw_refuses_what_is_not_there_and_bounds_the_rest(parser: Parser, tmp_path: Path) -> None:
    pdf = typeset(tmp_path / "a.pdf", square)
    with pytest.raises(ParseError, match="no page 2, only 1"):
        await parser.draw(pdf, 2)
    with pytest.raises(ParseError, match="does not lie on page 1"):
        await parser.draw(pdf, 1, (900, 900, 1000, 1000))
    (tmp_path / "b.pdf").write_bytes(b"nothing")
    with pytest.raises(ParseError, match="can't be opened"):
        await parser.draw(tmp_path / "b.pdf", 1)
    image = await shown(parser, pdf, 1, dpi=100_000)
    assert 15e6 < image.width * image.height < 16.1e6


async def test_figures_are_where_the_pictures_are(parser: Parser, tmp_path: Path) -> None:
    from reportlab.lib.utils import ImageReader

    grey = io.BytesIO()
    Image.new("RGB", (30, 20), (9, 9, 200)).save(grey, "PNG")
    image = ImageReader(grey)

    def draw(canvas: Any) -> None:
        lines(canvas, ["Two halves of one figure, and an ornament"])
        canvas.drawImage(image, 100, 300, 150, 100)
        canvas.drawImage(image, 250, 300, 150, 100)
        canvas.drawImage(image, 500, 700, 10, 10)

    pdf = typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, ["none"]), draw)
    ((number, box),) = await parser.figures(pdf)
    assert (number, box) == (2, pytest.approx((100, 300, 400, 400), abs=1))
    picture = await shown(parser, pdf, number, box, dpi=72)
    assert picture.resize((1, 1)).getpixel((0, 0)) == pytest.approx((9, 9, 200), abs=3)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS enforces no limit on memory")
async def test_a_page_that_can_not_be_drawn_is_named(parser: Parser, tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"drawing (took longer than 8 s|needed more than)|crash"):
        await parser.draw(nested_forms(tmp_path / "a.pdf"), 1)


async def test_mutated_pdfs_are_read_or_named(parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "find", lambda: None)

    def page(canvas: Any) -> None:
        lines(canvas, ["A page with a few words", "and a line more"])
        square(canvas)

    data = typeset(tmp_path / "a.pdf", page, page, title="A title").read_bytes()
    generator = random.Random(11)
    outcomes: list[str] = []
    for _ in range(80):
        mutated = bytearray(data)
        for _ in range(generator.choice((1, 3, 30))):
            at = generator.randrange(len(mutated))
            if generator.random() < 0.5:
                mutated[at : at + 1] = generator.choice((b"", b"9999999", b"<<", b"]", b"-1", b" 0 R"))
            else:
                mutated[at] = generator.randrange(256)
        if generator.random() < 0.15:
            del mutated[generator.randrange(len(mutated)) :]
        path = tmp_path / "mutated"
        path.write_bytes(mutated or b"x")
        try:
            document = await parser.parse(path, "a.pdf")
            outcomes.append("")
            assert document.pages
        except ParseError as error:
            outcomes.append(str(error))
    assert "" in outcomes
    assert any(outcomes)
    assert not [each for each in outcomes if "exit status" in each]
