"""Office Open XML: a zip of XML parts. Every size in it is a stranger's claim."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError
from xml.parsers import expat

from outcrop.engines.parsing.document import ParseError

MIB = 1024 * 1024
EXPANDED = 400 * MIB
"""So much XML is read of one file."""
_SMALL = 32 * MIB
"""The most of a part that is held as a tree."""
_MEMBERS = 10_000
_PIECE = 256 * 1024
_OLE = b"\xd0\xcf\x11\xe0"


class Handler(Protocol):
    """Hears a part's elements by their names without name space, attributes likewise."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def data(self, text: str) -> None: ...


class Package:
    """An opened file. Raises `ParseError`, of `kind` (`Word document`, say), for what is no such package."""

    def __init__(self, path: Path, kind: str) -> None:
        self._kind = kind
        with path.open("rb") as file:
            start = file.read(4)
        if start == _OLE:
            raise ParseError(f"the {kind} is encrypted, or in the format of before 2007; save it without a password")
        try:
            self._zip = zipfile.ZipFile(path)
            members = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise ParseError(f"the file is not a {kind}, or is damaged: {error}") from None
        if len(members) > _MEMBERS:
            self._zip.close()
            raise ParseError(f"the {kind} has {len(members):,} parts; at most {_MEMBERS:,} are read")
        self._sizes = {member.filename: member.file_size for member in members}
        self._left = EXPANDED

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def has(self, part: str) -> bool:
        return part in self._sizes

    def parts(self, folder: str) -> list[str]:
        """The XML parts right in a folder, such as `xl/worksheets/`."""
        return [name for name in self._sizes if name.startswith(folder) and "/" not in name[len(folder) :]]

    def check_size(self) -> None:
        """For those who unpack the file themselves."""
        if sum(self._sizes.values()) > EXPANDED:
            raise self._too_large()

    def _too_large(self) -> ParseError:
        return ParseError(f"the {self._kind} unpacks to more than {EXPANDED // MIB} MiB")

    def tree(self, part: str) -> Element | None:
        """A small part as elements; None if it isn't there or can't be read."""
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import fromstring

        if self._sizes.get(part, _SMALL + 1) > _SMALL:
            return None
        try:
            with self._zip.open(part) as stream:
                root: Element = fromstring(stream.read(_SMALL), forbid_dtd=True)
        except (XmlError, DefusedXmlException, ValueError, zipfile.BadZipFile, EOFError, OSError, RuntimeError):
            return None
        return root

    def walk(self, part: str, handler: Handler) -> None:
        """Feed a part of any size to the handler."""
        if self._sizes.get(part, 0) > self._left:
            raise self._too_large()
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = _starts(handler)
        parser.EndElementHandler = lambda name: handler.end(name.rpartition(" ")[2])
        parser.CharacterDataHandler = handler.data
        try:
            with self._zip.open(part) as stream:
                while piece := stream.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise self._too_large()
                    parser.Parse(piece)
            parser.Parse(b"", True)
        except KeyError:
            raise ParseError(f"the file is not a {self._kind}: it has no {part}") from None
        except expat.ExpatError as error:
            raise ParseError(f"the {self._kind} is damaged: {part}: {error}") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ParseError(f"the {self._kind} is damaged: {part}: {error}") from None

    def _refuse(self, *_: object) -> None:
        raise ParseError(f"the {self._kind} declares entities of its own, which none needs and bombs do")


def _starts(handler: Handler) -> Callable[[str, dict[str, str]], None]:
    def start(name: str, attributes: dict[str, str]) -> None:
        handler.start(name.rpartition(" ")[2], {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    return start


def local(element: Element) -> str:
    """The element's name without its name space."""
    return element.tag.rpartition("}")[2]


def child(element: Element, *path: str) -> Element | None:
    """The first descendant along these names."""
    found: Element | None = element
    for name in path:
        if found is None:
            return None
        found = next((each for each in found if local(each) == name), None)
    return found


def value(element: Element | None, name: str = "val") -> str | None:
    """An attribute by its name without name space."""
    if element is None:
        return None
    return next((text for key, text in element.attrib.items() if key.rpartition("}")[2] == name), None)


def number(text: str | None, default: int | None = None) -> int | None:
    """A whole number of at most nine digits."""
    if text is None or not text.lstrip("-").isdecimal() or len(text) > 9:
        return default
    return int(text)
