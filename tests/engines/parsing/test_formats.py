from pathlib import Path

import pytest

from outcrop.engines.parsing import parse_file
from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import ParsedDocument, ParseError, Records, UnsupportedFormat
from outcrop.engines.parsing.files import dumps, loads


def parse(tmp_path: Path, name: str, text: str | bytes, budget: Budget | None = None) -> ParsedDocument:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return parse_file(path, name, budget)


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    assert [page.number for page in document.pages] == [None]
    return [(block.kind, block.text) for block in document.pages[0].blocks]


def test_text_paragraphs_are_unwrapped(tmp_path: Path) -> None:
    text = (
        "A first paragraph that has been wrapped by an editor at\nsome width, as is usual for plain text, and that\n"
        "ends here.\r\n\r\nShort line\nanother one\n\n- an item that is wrapped over two lines by the editor\n"
        "  and goes on\n- a second\n\n    indented = 1\n    code = 2\n\na\tb\nc\td\n"
    )
    assert blocks(parse(tmp_path, "a.txt", text)) == [
        (
            "text",
            "A first paragraph that has been wrapped by an editor at some width, as is usual for plain text, and that "
            "ends here.",
        ),
        ("text", "Short line\nanother one"),
        ("list", "- an item that is wrapped over two lines by the editor and goes on\n- a second"),
        ("code", "indented = 1\ncode = 2"),
        ("table", "a | b\nc | d"),
    ]


def test_text_in_other_encodings(tmp_path: Path) -> None:
    assert blocks(parse(tmp_path, "a.txt", "Größe".encode("utf-16"))) == [("text", "Größe")]
    assert blocks(parse(tmp_path, "a.txt", b"\xef\xbb\xbfplain")) == [("text", "plain")]
    document = parse(tmp_path, "a.txt", "Größe “quoted”".encode("cp1252"))
    assert blocks(document) == [("text", "Größe “quoted”")]
    assert document.warnings == ("the text is not UTF-8; it was read as Windows-1252",)


def test_markdown_becomes_blocks(tmp_path: Path) -> None:
    text = """---
title: The Course
---
# Storage *now*

A paragraph with `code`,
[a link](http://x.y) and ![a picture](p.png).

## Steps

1. one
2. two
   - inner
   ```
   code inside
   ```
3. three

| a | b |
|---|---|
| 1 | 2 |

```python
def f():
    return 1
```

<b>raw</b> html
"""
    document = parse(tmp_path, "a.md", text)
    assert document.title == "The Course"
    assert [block.level for block in document.pages[0].blocks if block.kind == "heading"] == [1, 2]
    assert blocks(document) == [
        ("heading", "Storage now"),
        ("text", "A paragraph with code, a link and a picture."),
        ("heading", "Steps"),
        ("list", "1. one\n2. two\n  - inner"),
        ("code", "code inside"),
        ("list", "3. three"),
        ("table", "a | b\n1 | 2"),
        ("code", "def f():\n    return 1"),
        ("text", "raw html"),
    ]


def test_html_becomes_blocks(tmp_path: Path) -> None:
    text = """<!doctype html><html><head><title> The  Page </title><style>p{}</style></head><body>
<nav>Home | About</nav><header>Logo</header>
<h1>Storage</h1><p>A <b>bold</b>&nbsp;word<br>and more.</p>
<script>alert(1)</script><p hidden>secret</p><div style="display: none">more</div>
<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul><ol start="3"><li>three</li></ol>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>
<pre>x = 1
  y = 2</pre>
<div>loose <span>text</span><p>inside</p></div>
<footer>Imprint</footer></body></html>"""
    document = parse(tmp_path, "a.html", text)
    assert document.title == "The Page"
    assert blocks(document) == [
        ("heading", "Storage"),
        ("text", "A bold word and more."),
        ("list", "- one\n  - inner\n- two\n3. three"),
        ("table", "a | b\n1 | 2"),
        ("code", "x = 1\n  y = 2"),
        ("text", "loose text"),
        ("text", "inside"),
    ]


def test_html_takes_the_main_part(tmp_path: Path) -> None:
    content = "What counts. " * 20
    text = f"<body><div>menu menu</div><main><p>{content}</p></main><div>ads</div></body>"
    assert blocks(parse(tmp_path, "a.html", text)) == [("text", content.strip())]


def test_html_in_its_declared_encoding(tmp_path: Path) -> None:
    data = '<meta charset="iso-8859-2"><p>Łódź</p>'.encode("iso-8859-2")
    assert blocks(parse(tmp_path, "a.html", data)) == [("text", "Łódź")]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "<div>" * 5_000 + "deep"),
        ("a.html", "<ul><li>" * 3_000 + "deep"),
        ("a.html", "<table><tr><td>" * 3_000 + "deep"),
        ("a.html", "<" * 300_000),
        ("a.md", "> " * 50_000 + "deep"),
        ("a.md", "- " * 20_000 + "deep"),
        ("a.md", "[" * 50_000),
        ("a.md", "*a **b " * 20_000),
        ("a.md", "| a " * 20_000 + "|\n" + "|---" * 20_000 + "|\n"),
        ("a.txt", "- \n" * 200_000),
        ("a.csv", '"' * 200_001),
    ],
)
def test_hostile_text_is_read_or_refused_in_time(tmp_path: Path, name: str, text: str) -> None:
    try:
        parse(tmp_path, name, text)
    except ParseError as error:
        assert str(error)


def test_csv_is_a_table(tmp_path: Path) -> None:
    document = parse(tmp_path, "a.csv", 'unit,text\n1,"Hello,\nworld"\n\n2,More\n')
    assert blocks(document) == [("table", "unit | text\n1 | Hello, world\n2 | More")]


CSV = 'unit,text,internal\n1,"Hello,\nworld",x\n\n2,,y\n3,More\n4, ,z\n'


@pytest.mark.parametrize(
    ("records", "attributes"),
    [
        (Records("text"), [(("unit", "1"), ("internal", "x")), (("unit", "3"), ("internal", ""))]),
        (Records("text", ("unit",)), [(("unit", "1"),), (("unit", "3"),)]),
        (Records("text", (), ("internal",)), [(("unit", "1"),), (("unit", "3"),)]),
        (Records("text", ("unit",), ("internal",)), [(("unit", "1"),), (("unit", "3"),)]),
    ],
)
def test_csv_records_are_texts_with_attributes(tmp_path: Path, records: Records, attributes: object) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    document = parse_file(tmp_path / "a.csv", records=records)
    assert document.records
    assert [[block.text for block in page.blocks] for page in document.pages] == [["Hello,\nworld"], ["More"]]
    assert [page.attributes for page in document.pages] == attributes
    assert loads(dumps(document)) == document


def test_records_are_for_csv_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain")
    assert not parse_file(tmp_path / "a.txt", records=Records("text")).records


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (Records("body"), "no column 'body', only 'unit', 'text', 'internal'"),
        (Records("text", ("week",)), "no column 'week'"),
        (Records("text", (), ("week",)), "no column 'week'"),
    ],
)
def test_a_missing_column_is_named(tmp_path: Path, records: Records, says: str) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(ParseError, match=says):
        parse_file(tmp_path / "a.csv", records=records)


def test_records_without_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("unit,text\n1,\n")
    with pytest.raises(ParseError, match="no row of the CSV has text in the column 'text'"):
        parse_file(tmp_path / "a.csv", records=Records("text"))


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.pdf", "a.docx", "a.doc", "a.xlsx", "a.xls"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParseError, match="the file is empty"):
        parse(tmp_path, name, b"")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv"])
def test_a_file_without_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParseError, match="no text"):
        parse(tmp_path, name, " \n\n ")


def test_binary_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="not text"):
        parse(tmp_path, "a.txt", bytes(range(256)) * 100 + bytes(5000))


def test_limits_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="11 bytes; at most 10"):
        parse(tmp_path, "a.txt", "x" * 11, Budget(file_bytes=10))
    with pytest.raises(ParseError, match="more text than the limit"):
        parse(tmp_path, "a.txt", "x" * 11, Budget(characters=10))


@pytest.mark.parametrize("name", ["a.exe", "noextension", "archive.tar.gz", ".pdf"])
def test_other_formats_are_unsupported(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="not supported"):
        parse(tmp_path, name, "x")
