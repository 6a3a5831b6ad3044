from html.parser import HTMLParser
from pathlib import Path

from outcrop.engines.chunking.chunk import Chunk, Parent
from outcrop.engines.chunking.inspector import inspection

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (800).to_bytes(4, "big") + (1000).to_bytes(4, "big") + bytes(5)


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.found if name == tag and attributes.items() <= found.items()]


def test_each_chunk_is_drawn_where_its_text_is() -> None:
    boxes = ((72.0, 700.0, 272.0, 720.0), (72.0, 600.0, 272.0, 690.0))
    chunks = [
        Chunk(0, "One <b>", 1, "A › B", boxes[0], boxes, tokens=7),
        Chunk(1, "Two", 2, parent=Parent(4, "Two and three", 30), tokens=3),
        Chunk(2, "Three", None, attributes=(("unit", "5"),)),
    ]
    html = inspection("a & b.pdf", "default", chunks, {1: PNG}, 96, ["page 2 has no text"])
    elements = Elements(html)
    assert len(elements.named("section")) == 3
    assert len(elements.named("image")) == 1
    first, second = elements.named("rect", **{"data-chunk": "0"})
    assert (first["x"], first["y"], first["width"], first["height"]) == ("96.0", "40.0", "266.7", "26.7")
    assert (second["y"], second["height"]) == ("80.0", "120.0")
    assert [card["data-chunk"] for card in elements.named("article")] == ["0", "1", "2"]
    for text in ("One &lt;b&gt;", "a &amp; b.pdf", "A › B", "parent 5 (30 tokens)", "unit: 5", "page 2 has no text"):
        assert text in html
    assert "http" not in html


def test_a_document_without_chunks_has_a_page() -> None:
    assert "0 chunks" in inspection("a.pdf", "none", [], {}, 96)


def test_the_inspector_is_a_command(tmp_path: Path) -> None:
    from outcrop.cli import main

    (tmp_path / "a.md").write_text("# Storage\n\nObjects lie in buckets.\n")
    assert main(["kb", "inspect", str(tmp_path / "a.md"), "--html", str(tmp_path / "a.html")]) == 0
    assert "Objects lie in buckets." in (tmp_path / "a.html").read_text()
    assert main(["kb", "inspect", str(tmp_path / "missing.pdf")]) == 1
    assert main(["kb", "inspect", str(tmp_path / "a.md"), "--max-tokens", "0"]) == 1
