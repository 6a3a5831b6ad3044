"""A PDF file as a document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from outcrop.engines.parsing.budget import Budget
from outcrop.engines.parsing.document import Block, Page, ParsedDocument, ParseError
from outcrop.engines.parsing.pdf.blocks import Composer, Draft, Style, finish, levels
from outcrop.engines.parsing.pdf.columns import regions
from outcrop.engines.parsing.pdf.furniture import drop_furniture
from outcrop.engines.parsing.pdf.hidden import drop_hidden
from outcrop.engines.parsing.pdf.mending import HYPHEN, Vocabulary
from outcrop.engines.parsing.pdf.rows import rows
from outcrop.engines.parsing.pdf.scans import as_page, is_scan
from outcrop.engines.parsing.pdf.segments import PageText, page_text, turned
from outcrop.engines.parsing.ranges import ranges
from outcrop.engines.parsing.recognised import Recognised

_REASONS = {
    pdfium.FPDF_ERR_FILE: "the PDF can't be opened",
    pdfium.FPDF_ERR_FORMAT: "the file is not a PDF, or is damaged beyond repair",
    pdfium.FPDF_ERR_PASSWORD: "the PDF is encrypted; save it without a password",
    pdfium.FPDF_ERR_SECURITY: "the PDF is encrypted in a way that can't be read",
}
_NO_TITLE = re.compile(r"untitled|microsoft word|\.(?:docx?|pdf|tex|dvi|indd|pptx?|qxd)$|^\W*$|anonymous", re.I)


def read(path: Path, budget: Budget, seen: Iterable[Recognised] = ()) -> ParsedDocument:
    """`seen` is what OCR read on scanned pages. Without it, the document tells in `scanned` where it is needed, and
    may have no page."""
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        reason = _REASONS.get(error.err_code, "the PDF has no pages, or none that can be found")
        raise ParseError(reason) from None
    try:
        return _Reader(document, budget, seen).read()
    finally:
        document.close()


class _Reader:
    def __init__(self, document: Any, budget: Budget, seen: Iterable[Recognised]) -> None:
        self._document = document
        self._budget = budget
        self._seen = {found.number: found for found in seen}
        self._scanned: list[int] = []
        self._warnings: list[str] = []

    def read(self) -> ParsedDocument:
        count = len(self._document)
        if count <= 0:
            raise ParseError("the PDF has no pages")
        self._budget.check_pages(count)
        contents: list[PageText] = []
        broken: list[int] = []
        empty: list[int] = []
        for index in range(count):
            self._budget.report(f"page {index + 1} of {count}")
            content = self._page(index)
            if content is None:
                broken.append(index + 1)
            else:
                contents.append(content)
                if not content.segments and content.number not in self._scanned:
                    empty.append(index + 1)
        if len(broken) == count:
            raise ParseError("no page of the PDF can be read")
        if not any(content.segments for content in contents):
            if self._scanned:
                return ParsedDocument((), scanned=tuple(self._scanned))
            raise ParseError(
                f"the PDF has no text on its {count} page(s){', and OCR found none' if self._seen else ''}"
            )
        self._warn(broken, "can't be read")
        self._warn(empty, "has no text", "have no text")
        self._budget.report(f"layout of {count} pages")
        return self._compose(contents)

    def _warn(self, numbers: list[int], one: str, many: str | None = None) -> None:
        if numbers:
            self._warnings.append(f"{ranges(numbers)} {one if len(numbers) == 1 else many or one}")

    def _page(self, index: int) -> PageText | None:
        """The text of one page, or None where pdfium can't read it."""
        try:
            page = self._document[index]
        except pypdfium2.PdfiumError:
            return None
        textpage = None
        try:
            textpage = page.get_textpage()
            content = page_text(page, textpage, index + 1, self._budget.take_characters)
            if dropped := drop_hidden(page, content):
                self._warnings.append(f"page {index + 1}: {dropped} characters that can't be seen are left out")
            return self._looked_at(page, content, textpage.count_chars())
        except pypdfium2.PdfiumError:
            return None
        finally:
            if textpage is not None:
                textpage.close()
            page.close()

    def _looked_at(self, page: Any, content: PageText, characters: int) -> PageText:
        """The page, or what OCR read on it if that is more."""
        found = self._seen.get(content.number)
        if found is None:
            if is_scan(page, content, characters):
                self._scanned.append(content.number)
            return content
        if found.characters() <= sum(len(segment.text) for segment in content.segments):
            return content
        self._budget.take_characters(found.characters())
        return as_page(found)

    def _compose(self, contents: list[PageText]) -> ParsedDocument:
        style = Style.of(contents)
        drop_furniture(contents, style.body_size)
        drafts: list[tuple[PageText, list[Draft]]] = []
        for content in contents:
            composer = Composer(style)
            for region in regions(content.segments):
                composer.region(rows(region))
            composer.aside(content.aside)
            content.segments, content.aside = [], []
            drafts.append((content, composer.drafts))
        everything = [draft for _, page in drafts for draft in page]
        level_of = levels(everything)
        vocabulary = None
        if any(HYPHEN in draft.text for draft in everything):
            vocabulary = Vocabulary(draft.text for draft in everything)
        pages = []
        for content, page_drafts in drafts:
            blocks = []
            for draft in page_drafts:
                text = vocabulary.mend(draft.text) if vocabulary and HYPHEN in draft.text else draft.text
                draft.rows = []
                blocks.append(finish(draft, text, level_of.get(draft.rank, 0), self._on_page(draft, content)))
            pages.append(Page(content.number, tuple(blocks)))
        return ParsedDocument(tuple(pages), self._title(pages), tuple(self._warnings), scanned=tuple(self._scanned))

    def _on_page(self, draft: Draft, content: PageText) -> tuple[float, float, float, float]:
        """The box as a reader sees the page."""
        return turned(draft.box, content.turn - content.rotation, content.width, content.height)

    def _title(self, pages: list[Page]) -> str:
        title = str(self._document.get_metadata_value("Title")).strip()
        if title and len(title) <= 300 and not _NO_TITLE.search(title):
            return title
        headings: list[Block] = [block for block in pages[0].blocks if block.kind == "heading"] if pages else []
        return min(headings, key=lambda block: block.level).text if headings else ""
