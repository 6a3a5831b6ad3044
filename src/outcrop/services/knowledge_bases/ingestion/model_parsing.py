"""`BEDROCK_FOUNDATION_MODEL` parsing: a model looks at a picture of each page of a PDF and writes down what it sees."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from outcrop.engines.parsing.document import Page, ParsedDocument, ParseError
from outcrop.services.contract import Context, ServiceError
from outcrop.services.knowledge_bases.ingestion.failures import DocumentFailure
from outcrop.services.knowledge_bases.ingestion.objects import Staging

if TYPE_CHECKING:
    from outcrop.engines.parsing import Parser

log = logging.getLogger(__name__)

PICTURES: Mapping[str, str] = MappingProxyType({".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"})
"""Extensions of documents that are pictures themselves, and their formats as Converse names them."""
MAX_PICTURE = 3_932_160
"""Bytes that a model takes of a picture."""
RESOLUTIONS = (150, 100, 60)
"""Dots an inch at which a page is drawn: the first whose picture isn't too big."""
AT_ONCE = 4
MAX_TOKENS = 4096
PAUSES = (0.5, 2, 5)
"""Seconds before a throttled model is asked again."""
PROMPT = (
    "Write down everything on this page as Markdown, in reading order. Keep headings, lists and tables. Where there is "
    "a figure, a chart or a photograph, say in words what it shows, with the numbers that can be read from it. Leave "
    "out page numbers and running headers. Answer with the Markdown alone."
)


@dataclass(frozen=True, slots=True)
class ModelParsing:
    model: str
    """Its id or ARN."""
    prompt: str = PROMPT

    @classmethod
    def of(cls, configuration: Mapping[str, Any] | None) -> ModelParsing | None:
        """From parsingConfiguration."""
        if not configuration:
            return None
        model = configuration["bedrockFoundationModelConfiguration"]
        return cls(model["modelArn"], model.get("parsingPrompt", {}).get("parsingPromptText", PROMPT))

    def reads(self, name: str) -> bool:
        """Whether files of this name go to the model."""
        suffix = Path(name).suffix.lower()
        return suffix == ".pdf" or suffix in PICTURES

    async def parse(
        self, new_context: Callable[[], Context], parser: Parser, staging: Staging, path: Path, name: str
    ) -> ParsedDocument:
        """A page that the model fails on is read by the default parser. Raises ParseError, and DocumentFailure for a
        picture that the model fails on."""
        reading = _Reading(self, new_context, parser, staging)
        if kind := PICTURES.get(Path(name).suffix.lower()):
            return await _picture(reading, path, kind)
        document = await parser.parse(path, name)
        slots = asyncio.Semaphore(AT_ONCE)

        async def page(own: Page) -> Page:
            async with slots:
                return await _page(reading, path, own)

        async with asyncio.TaskGroup() as tasks:
            pages = [tasks.create_task(page(own)) for own in document.pages]
        return replace(document, pages=tuple(task.result() for task in pages))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What reading takes."""

    how: ModelParsing
    new_context: Callable[[], Context]
    parser: Parser
    staging: Staging

    async def look(self, picture: bytes, kind: str) -> tuple[Page, ...]:
        """What the model sees. Raises ServiceError, ParseError."""
        text = await self._ask(picture, kind)
        path = self.staging.new()
        try:
            path.write_text(text, errors="replace")
            return (await self.parser.parse(path, "page.md")).pages
        finally:
            path.unlink(missing_ok=True)

    async def _ask(self, picture: bytes, kind: str) -> str:
        request = {
            "modelId": self.how.model,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"image": {"format": kind, "source": {"bytes": picture}}},
                        {"text": self.how.prompt},
                    ],
                }
            ],
            "inferenceConfig": {"maxTokens": MAX_TOKENS, "temperature": 0.0},
        }
        for pause in PAUSES:
            try:
                return _text(await self.new_context().call("bedrock-runtime", "converse", request))
            except ServiceError as error:
                if error.code != "ThrottlingException":
                    raise
                await asyncio.sleep(pause)
        return _text(await self.new_context().call("bedrock-runtime", "converse", request))


async def _page(reading: _Reading, path: Path, own: Page) -> Page:
    try:
        seen = await reading.look(await _drawn(reading.parser, path, own.number or 1), "png")
    except (ServiceError, ParseError) as error:
        log.warning("page %s is read by the default parser: %s", own.number, error)
        return own
    blocks = tuple(block for page in seen for block in page.blocks)
    return replace(own, blocks=blocks) if blocks else own


async def _picture(reading: _Reading, path: Path, kind: str) -> ParsedDocument:
    data = path.read_bytes()
    if len(data) > MAX_PICTURE:
        raise DocumentFailure(f"the picture has {len(data)} bytes; a model takes at most {MAX_PICTURE}", "too_large")
    try:
        return ParsedDocument(await reading.look(data, kind))
    except ServiceError as error:
        raise DocumentFailure(f"the model {reading.how.model} can't read it: {error.message or error.code}") from None


async def _drawn(parser: Parser, path: Path, number: int) -> bytes:
    for resolution in RESOLUTIONS:
        picture = await parser.draw(path, number, dpi=resolution)
        if len(picture) <= MAX_PICTURE:
            return picture
    raise ParseError(f"the picture of page {number} has more bytes than a model takes")


def _text(answer: Mapping[str, Any]) -> str:
    content = answer["output"]["message"]["content"]
    text = "".join(block.get("text", "") for block in content).strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.split("\n", 1)[-1].removesuffix("```").strip()
    return text
