"""Reading scanned pages: Tesseract where its program is installed, RapidOCR where its package is.

What a recogniser finds on a picture of the page becomes segments as pdfium's characters do, so that layout, furniture
and hyphens are handled by the same code.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import importlib.util
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.engines.parsing.document import ParsedDocument, ParseError
from outcrop.engines.parsing.ranges import ranges
from outcrop.engines.parsing.recognised import Line, Recognised, revived

ADVICE = "install Tesseract (Debian: apt install tesseract-ocr) or Outcrop's OCR: pip install 'outcrop[ocr]'"
RAPID = "rapidocr"
_DPI = 300
_PIXELS = 16_000_000
_SECONDS = 50
_LANGUAGES = 8
_SURE_OF_TURN = 2.0
_SURE_OF_WORD = 25.0
_SURE_OF_LINE = 0.5
_WORD_GAP = 1.2
"""A wider gap than this many ems starts a new segment."""
_ALIKE = 0.13
"""Sizes that differ by less are one size, measured badly."""
_TALL = re.compile(r"[A-ZÀ-Þ0-9bdfhkltßi!?()\[\]{}|/“”\"']")
_LOW = re.compile(r"[gjpqyQ,;()\[\]{}|ç]")


@dataclass(slots=True)
class _Mark:
    """A word, or a whole line, in pixels from the picture's upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    line: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Picture:
    pixels: bytes
    """Grey, a byte a pixel, row by row."""
    width: int
    height: int


def find() -> str | None:
    """The recogniser of this machine: Tesseract's path, for it is several times faster, or `rapidocr`."""
    if program := shutil.which("tesseract"):
        return program
    return RAPID if importlib.util.find_spec("rapidocr") is not None else None


def work(payload: bytes, report: Callable[[str], None]) -> bytes:
    """The worker's function: recognises one page of a PDF."""
    request = json.loads(payload)
    report(f"recognising page {request['page']}")
    found = recognise(Path(request["path"]), request["page"], request["recogniser"])
    return json.dumps(dataclasses.astuple(found), ensure_ascii=False).encode()


def loads(data: bytes) -> Recognised:
    return revived(json.loads(data))


def recognise(path: Path, number: int, recogniser: str) -> Recognised:
    """The text on page `number`, counted from 1, by the recogniser that `find` told. Raises `ParseError`."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        raise ParseError("the PDF can't be opened") from None
    try:
        page = document[number - 1]
        width, height = page.get_size()
        if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
            raise ParseError(f"page {number} is {width:g} x {height:g} points, which can't be drawn")
        scale = min(_DPI / 72, (_PIXELS / (width * height)) ** 0.5)
        picture = _draw(page, scale, 0)
        quarters = 0
        if recogniser == RAPID:
            marks = _rapid(picture)
        else:
            quarters = _turn(picture, recogniser)
            marks = _tesseract(_draw(page, scale, quarters) if quarters else picture, recogniser)
    except pypdfium2.PdfiumError as error:
        raise ParseError(f"page {number} can't be drawn: {error}") from None
    finally:
        document.close()
    read_width, read_height = (height, width) if quarters % 2 else (width, height)
    lines = _lines(marks, scale, read_height)
    return Recognised(number, read_width, read_height, quarters, tuple(lines))


def _draw(page: Any, scale: float, quarters: int) -> _Picture:
    """The page, turned clockwise by so many quarters."""
    bitmap = page.render(scale=scale, rotation=90 * quarters, grayscale=True)
    try:
        width, height, stride = bitmap.width, bitmap.height, bitmap.stride
        data = bytes(bitmap.buffer)
    finally:
        bitmap.close()
    if stride != width:
        data = b"".join(data[row * stride : row * stride + width] for row in range(height))
    return _Picture(data, width, height)


# Tesseract


def _tesseract(picture: _Picture, program: str) -> list[_Mark]:
    table = _run(program, picture, "-l", _languages(program), "--psm", "3", "tsv")
    marks = []
    for row in table.splitlines()[1:]:
        fields = row.split("\t", 11)
        if len(fields) == 12 and fields[0] == "5" and fields[11].strip() and float(fields[10]) >= _SURE_OF_WORD:
            left, top, width, height = map(int, fields[6:10])
            line = tuple(map(int, fields[2:5]))
            marks.append(_Mark(fields[11].strip(), left, top, left + width, top + height, line))
    return marks


def _turn(picture: _Picture, program: str) -> int:
    """Quarters clockwise by which the page must be turned to be read."""
    try:
        said = _run(program, picture, "--psm", "0")
    except ParseError:
        return 0  # too little text to tell, or the data for it are not installed
    degrees = re.search(r"Rotate: (\d+)", said)
    sure = re.search(r"Orientation confidence: ([\d.]+)", said)
    if degrees is None or sure is None or float(sure[1]) < _SURE_OF_TURN:
        return 0
    return int(degrees[1]) // 90 % 4


@functools.cache
def _languages(program: str) -> str:
    """All that are installed, English first."""
    said = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    names = [name for name in said.stdout.splitlines()[1:] if re.fullmatch(r"[a-z]{3}(_[a-z_]+)?", name)]
    names = sorted((name for name in names if name not in ("osd", "equ")), key=lambda name: (name != "eng", name))
    return "+".join(names[:_LANGUAGES]) or "eng"


def _run(program: str, picture: _Picture, *arguments: str) -> str:
    image = b"P5 %d %d 255\n" % (picture.width, picture.height) + picture.pixels
    command = [program, "stdin", "stdout", "--dpi", str(_DPI), *arguments]
    try:
        done = subprocess.run(
            command,
            input=image,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={"OMP_THREAD_LIMIT": "1"},
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ParseError(f"Tesseract failed: {error}") from None
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ParseError(f"Tesseract failed: {last[:300] or done.returncode}")
    return done.stdout.decode(errors="replace")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


# RapidOCR


@functools.cache
def _rapid_engine() -> Any:
    from rapidocr import RapidOCR

    quiet = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2}
    return RapidOCR(params=quiet)


def _rapid(picture: _Picture) -> list[_Mark]:
    import numpy as np

    grey = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width)
    found = _rapid_engine()(np.repeat(grey[:, :, None], 3, axis=2))
    if found.boxes is None:
        return []
    marks = []
    for quad, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= _SURE_OF_LINE and text.strip():
            xs, ys = [float(x) for x, _ in quad], [float(y) for _, y in quad]
            marks.append(_Mark(text.strip(), min(xs), min(ys), max(xs), max(ys)))
    return marks


# Marks -> lines


def _lines(marks: list[_Mark], scale: float, height: float) -> list[Line]:
    """Words of one line that stand near each other as one, in points from the lower left corner."""
    groups: list[list[_Mark]] = []
    for mark in marks:
        if groups and mark.line and groups[-1][-1].line == mark.line and not _apart(groups[-1], mark):
            groups[-1].append(mark)
        else:
            groups.append([mark])
    lines = [_line(group, scale, height) for group in groups]
    usual = _usual_sizes(lines)
    return [(*line[:6], usual(line[6])) for line in lines]


def _apart(group: list[_Mark], mark: _Mark) -> bool:
    tallest = max(each.bottom - each.top for each in (*group[-8:], mark))
    return mark.left - group[-1].right > _WORD_GAP * tallest


def _line(group: list[_Mark], scale: float, height: float) -> Line:
    text = " ".join(mark.text for mark in group)
    bottom = max(mark.bottom for mark in group)
    whole = not group[0].line
    if whole:
        # A recogniser of lines draws its boxes with a margin.
        size = 0.78 * (group[0].bottom - group[0].top)
        base = bottom - 0.25 * size
    else:
        size = statistics.median(_em(mark) for mark in group)
        level = [mark.bottom for mark in group if not _LOW.search(mark.text)]
        base = statistics.median(level) if level else bottom - 0.2 * size
        if _is_dot(group, base, size):
            text = "•" + text[len(group[0].text) :]
    left, right = min(mark.left for mark in group), max(mark.right for mark in group)
    top = min(mark.top for mark in group)
    x0, x1 = left / scale, right / scale
    return (text, x0, height - bottom / scale, x1, height - top / scale, height - base / scale, size / scale)


def _is_dot(group: list[_Mark], base: float, size: float) -> bool:
    """A bullet, which is read as a round letter, hangs above the line."""
    first = group[0]
    return len(group) > 1 and len(first.text) == 1 and base - first.bottom > 0.07 * size


def _em(mark: _Mark) -> float:
    """The font's size by the height of a word's ink: what rises and what hangs is known from its letters."""
    share = 0.46 + (0.24 if _TALL.search(mark.text) else 0.0) + (0.2 if _LOW.search(mark.text) else 0.0)
    return (mark.bottom - mark.top) / share


def _usual_sizes(lines: Iterable[Line]) -> Callable[[float], float]:
    """Measured size -> the size that most text near it has."""
    amounts = sorted(((len(line[0]), line[6]) for line in lines), reverse=True)
    chosen: list[float] = []
    for _, size in amounts:
        if size > 0 and not any(abs(size - each) <= _ALIKE * each for each in chosen):
            chosen.append(size)

    def usual(size: float) -> float:
        nearest = min(chosen, key=lambda each: abs(each - size), default=size)
        return nearest if abs(nearest - size) <= _ALIKE * nearest else size

    return usual


# Scans in a document


def unread(document: ParsedDocument, causes: Iterable[str] = ()) -> ParsedDocument:
    """The document with a warning of the scans that nobody read. Raises `ParseError` if it has nothing else."""
    if not document.scanned:
        return document
    cause = "; ".join(dict.fromkeys(causes)) or f"to read scans, {ADVICE}"
    if not document.pages:
        raise ParseError(f"the PDF has no text on its {len(document.scanned)} page(s), which are scans: {cause}")
    warning = f"what is scanned on {ranges(list(document.scanned))} was not read: {cause}"
    return dataclasses.replace(document, warnings=(*document.warnings, warning))
