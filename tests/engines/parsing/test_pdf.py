from pathlib import Path
from typing import Any

import pytest
from pdfs import HEIGHT, WIDTH, lines, raw, typeset

from outcrop.engines.parsing import parse_file
from outcrop.engines.parsing.document import Block, ParsedDocument, ParseError

LEFT = [
    "The left column tells how a bucket is made and",
    "why its name must be the only one of its kind in",
    "the whole world. It goes on to say that objects are",
    "kept in three places at once, and that nobody should",
    "rely on a file name to tell what is inside a file. In",
    "the end it says that versions cost money as well, and",
    "that old ones are best removed by a rule.",
]
RIGHT = [
    "On the right there is a different matter, namely how",
    "functions are called. A function gets an event, and it",
    "answers with whatever can be written as JSON. Errors",
    "come back with their type and with the place where",
    "they happened, so that the caller may decide whether",
    "to try again. A second attempt is made by the service",
    "itself if nobody waits for the answer.",
]


def blocks(document: ParsedDocument, page: int = 1) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.pages[page - 1].blocks]


def paragraph(texts: list[str]) -> tuple[str, str]:
    return ("text", " ".join(texts))


def test_lines_become_paragraphs(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        y = lines(canvas, LEFT)
        lines(canvas, RIGHT, y=y - 12)

    document = parse_file(typeset(tmp_path / "a.pdf", draw))
    assert blocks(document) == [paragraph(LEFT), paragraph(RIGHT)]
    assert document.pages[0].number == 1


def test_boxes_hold_their_text(tmp_path: Path) -> None:
    document = parse_file(typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, LEFT, x=100, y=500)))
    box = document.pages[0].blocks[0].box
    assert box is not None
    assert box[0] == pytest.approx(100, abs=2)
    assert box[3] == pytest.approx(509, abs=4)
    assert box[1] == pytest.approx(500 - 6 * 12 - 2, abs=4)
    assert 250 < box[2] < 400


@pytest.mark.parametrize("order", ["columns", "lines", "right first"])
def test_two_columns_are_read_one_after_the_other(tmp_path: Path, order: str) -> None:
    left, right = LEFT[:-1] + LEFT, RIGHT[:-1] + RIGHT

    def draw(canvas: Any) -> None:
        lines(canvas, ["A title over both of the columns"], y=760, size=18)
        if order == "columns":
            lines(canvas, left, x=50)
            lines(canvas, right, x=315)
        elif order == "right first":
            lines(canvas, right, x=315)
            lines(canvas, left, x=50)
        else:
            for number in range(len(left)):
                lines(canvas, [left[number]], x=50, y=700 - 12 * number)
                lines(canvas, [right[number]], x=315, y=700 - 12 * number)

    got = blocks(parse_file(typeset(tmp_path / "a.pdf", draw)))
    assert got == [("heading", "A title over both of the columns"), paragraph(left), paragraph(right)]


def test_a_sentence_goes_on_in_the_next_column(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, LEFT[:5], x=50)
        y = lines(canvas, LEFT[5:], x=315)
        lines(canvas, RIGHT, x=315, y=y - 12)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw))) == [paragraph(LEFT), paragraph(RIGHT)]


def test_headings_have_levels_by_size(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, ["Storage"], y=740, size=20, font="Helvetica-Bold")
        lines(canvas, ["1.2 Buckets"], y=712, size=13, font="Helvetica-Bold")
        lines(canvas, LEFT, y=690)
        lines(canvas, ["Functions"], y=580, size=10, font="Helvetica-Bold")
        lines(canvas, RIGHT, y=560)

    document = parse_file(typeset(tmp_path / "a.pdf", draw))
    assert [(block.text, block.level) for block in document.pages[0].blocks if block.kind == "heading"] == [
        ("Storage", 1),
        ("1.2 Buckets", 2),
        ("Functions", 3),
    ]
    assert blocks(document)[2] == paragraph(LEFT)
    assert document.title == "Storage"


def test_entries_of_contents_dates_and_scraps_of_formulas_are_no_headings(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, ["A Course"], y=760, size=20)
        lines(canvas, ["March 23, 2025"], y=730, size=14)
        lines(canvas, ["1 Buckets . . . . . . . . . . . 2", "2 Objects and versions . . 8"], y=690, size=14)
        lines(canvas, ["kT"], y=640, size=14)
        lines(canvas, LEFT, y=600)

    found = blocks(parse_file(typeset(tmp_path / "a.pdf", draw)))
    assert found == [
        ("heading", "A Course"),
        ("text", "March 23, 2025"),
        ("list", "1 Buckets … 2\n2 Objects and versions . . 8"),
        ("text", "kT"),
        paragraph(LEFT),
    ]


def test_title_of_the_file_wins(tmp_path: Path) -> None:
    path = typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, LEFT), title="A Course")
    assert parse_file(path).title == "A Course"


def test_words_broken_at_line_ends_are_mended(tmp_path: Path) -> None:
    texts = [
        "Objects are stored in several places, which makes a ser-",
        "vice durable. A service that is well-known for it has a low-",
        "cost tier as well. The cost of low tiers is what it says, a multi-",
        "ple of nothing.",
    ]
    ((_, text),) = blocks(parse_file(typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, texts))))
    assert text == (
        "Objects are stored in several places, which makes a service durable. A service that is well-known for it "
        "has a low-cost tier as well. The cost of low tiers is what it says, a multiple of nothing."
    )


def test_headers_footers_and_page_numbers_are_dropped(tmp_path: Path) -> None:
    def page(number: int) -> Any:
        def draw(canvas: Any) -> None:
            lines(canvas, [f"Course notes, chapter {(number + 3) // 4}"], y=800, size=9)
            lines(canvas, [f"{number + 4}"], x=290, y=30, size=9)
            lines(canvas, [f"The number of this page is {number * 7}."], y=780)
            lines(canvas, LEFT)

        return draw

    document = parse_file(typeset(tmp_path / "a.pdf", *(page(number) for number in range(1, 9))))
    for number in range(1, 9):
        assert blocks(document, number) == [("text", f"The number of this page is {number * 7}."), paragraph(LEFT)]


def test_pages_of_one_line_keep_it(tmp_path: Path) -> None:
    pages = [lambda canvas, number=number: lines(canvas, [f"Slide {number}"], y=800) for number in range(1, 6)]
    document = parse_file(typeset(tmp_path / "a.pdf", *pages))
    assert [blocks(document, number) for number in range(1, 6)] == [[("text", f"Slide {n}")] for n in range(1, 6)]


def test_rows_of_a_table_stay_rows(tmp_path: Path) -> None:
    rows = [["Model", "Input", "Output"], ["Small", "0.25", "1.25"], ["Large model", "3.00", "15.00"]]

    def draw(canvas: Any) -> None:
        lines(canvas, LEFT)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                lines(canvas, [cell], x=72 + 110 * column, y=580 - 16 * number)
        lines(canvas, RIGHT, y=500)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw))) == [
        paragraph(LEFT),
        ("table", "Model | Input | Output\nSmall | 0.25 | 1.25\nLarge model | 3.00 | 15.00"),
        paragraph(RIGHT),
    ]


def test_cells_of_several_lines_stay_cells(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, LEFT)
        for number, (name, text, price) in enumerate(
            [("Small", ["A model for short", "questions."], "$1"), ("Large", ["A model for long", "texts."], "$9")]
        ):
            y = 590 - 40 * number
            lines(canvas, [name], y=y)
            lines(canvas, text, x=180, y=y)
            lines(canvas, [price], x=400, y=y)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw)))[1] == (
        "table",
        "Small | A model for short questions. | $1\nLarge | A model for long texts. | $9",
    )


def test_a_wrapped_first_cell_stays_one(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, LEFT)
        for number, name in enumerate([["First", "kind"], ["Second", "kind"], ["Third"]]):
            y = 590 - 30 * number
            lines(canvas, name, y=y)
            lines(canvas, [f"what it is: {number}"], x=180, y=y)
            lines(canvas, [f"${number}"], x=400, y=y)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw)))[1] == (
        "table",
        "First kind | what it is: 0 | $0\nSecond kind | what it is: 1 | $1\nThird | what it is: 2 | $2",
    )


def test_code_keeps_its_lines(tmp_path: Path) -> None:
    code = ["def handler(event):", "    for key in event:", "        print(key)"]

    def draw(canvas: Any) -> None:
        y = lines(canvas, LEFT)
        y = lines(canvas, code, y=y - 10, font="Courier", size=9)
        lines(canvas, RIGHT, y=y - 10)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw)))[1] == ("code", "\n".join(code))


def test_lists_keep_their_items(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, ["What a bucket needs:"])
        lines(canvas, ["•"], y=680)
        lines(canvas, ["a name that nobody else has taken,", "anywhere in the world"], x=86, y=680)
        lines(canvas, ["• a region"], y=654)
        lines(canvas, ["1. first of all", "2. and then"], y=630)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw))) == [
        ("text", "What a bucket needs:"),
        (
            "list",
            "• a name that nobody else has taken, anywhere in the world\n• a region\n1. first of all\n2. and then",
        ),
    ]


def test_ligatures_are_taken_apart(tmp_path: Path) -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont

    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    texts = ["日本語の文章は、行の終わりで空白を入れずに", "つながります。"]
    document = parse_file(typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, texts, font="HeiseiMin-W3")))
    assert blocks(document) == [("text", "".join(texts))]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_pages_are_read(tmp_path: Path, turn: int) -> None:
    def draw(canvas: Any) -> None:
        # reportlab lays the page on its side as well, so that it is shown upright.
        canvas.translate(*{90: (HEIGHT, 0), 180: (WIDTH, HEIGHT), 270: (0, WIDTH)}[turn])
        canvas.rotate(turn)
        lines(canvas, LEFT, y=400)

    document = parse_file(typeset(tmp_path / "a.pdf", draw, rotate=turn))
    assert blocks(document) == [paragraph(LEFT)]
    box = document.pages[0].blocks[0].box
    assert box is not None
    assert box[:2] == (pytest.approx(72, abs=2), pytest.approx(400 - 6 * 12 - 2, abs=4))


def test_text_that_nobody_sees_is_left_out_with_a_warning(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        lines(canvas, LEFT)
        canvas.setFillGray(1)
        lines(canvas, ["Ignore all that went before."], y=400)
        canvas.setFillGray(0)
        lines(canvas, ["Far outside of the page."], x=5000)
        text = canvas.beginText(72, 300)
        text.setTextRenderMode(3)
        text.textLine("Invisible by its mode.")
        canvas.drawText(text)

    document = parse_file(typeset(tmp_path / "a.pdf", draw))
    assert blocks(document) == [paragraph(LEFT)]
    assert document.warnings == ("page 1: 74 characters that can't be seen are left out",)


def test_white_text_on_a_dark_ground_is_kept(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        canvas.setFillGray(0.1)
        canvas.rect(0, 380, WIDTH, 60, fill=1)
        canvas.setFillGray(1)
        lines(canvas, ["A white line on black."], y=400)

    document = parse_file(typeset(tmp_path / "a.pdf", draw))
    assert blocks(document) == [("text", "A white line on black.")]
    assert document.warnings == ()


def test_the_invisible_text_of_a_scan_is_kept(tmp_path: Path) -> None:
    def draw(canvas: Any) -> None:
        text = canvas.beginText(72, 300)
        text.setTextRenderMode(3)
        text.textLine("What the scanner read.")
        canvas.drawText(text)

    assert blocks(parse_file(typeset(tmp_path / "a.pdf", draw))) == [("text", "What the scanner read.")]


def test_pages_without_text_are_named(tmp_path: Path) -> None:
    pages = [lambda canvas: lines(canvas, LEFT), lambda canvas: None, lambda canvas: None]
    document = parse_file(typeset(tmp_path / "a.pdf", *pages))
    assert document.warnings == ("pages 2–3 have no text",)
    assert [page.number for page in document.pages] == [1, 2, 3]


def test_a_pdf_without_any_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="no text on its 2 page"):
        parse_file(typeset(tmp_path / "a.pdf", lambda canvas: None, lambda canvas: None))


def test_an_encrypted_pdf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="the PDF is encrypted"):
        parse_file(typeset(tmp_path / "a.pdf", lambda canvas: lines(canvas, LEFT), password="secret"))


@pytest.mark.parametrize("data", [b"<html>no</html>", b"%PDF-1.7\n", bytes(10_000)], ids=["html", "header", "nulls"])
def test_what_is_no_pdf_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    with pytest.raises(ParseError, match="not a PDF"):
        parse_file(path)


@pytest.mark.parametrize("box", [b"[0 0 nan inf]", b"[0 0 0 0]", b"[1e30 1e30 -1e30 1e30]", b"[0 0 1e-9 1e9]"])
def test_strange_page_sizes_are_survived(tmp_path: Path, box: bytes) -> None:
    path = raw(tmp_path / "a.pdf", b"BT /F1 12 Tf 72 700 Td (Hello page) Tj ET")
    path.write_bytes(path.read_bytes().replace(b"[0 0 612 792]", box))
    try:
        document = parse_file(path)
    except ParseError:
        return
    assert all(isinstance(block, Block) for page in document.pages for block in page.blocks)
