"""Unpacks a zip archive that nobody has vouched for."""

from __future__ import annotations

import os
import posixpath
import secrets
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

PIECE = 1 << 18
MAX_LINK = 4096
MAX_ENTRIES = 200_000


class BadArchive(Exception):
    """The archive is broken, or would write outside its folder."""


class ArchiveTooLarge(Exception):
    """The archive holds more than is allowed."""


def unpack(archive: Path, folder: Path, max_bytes: int) -> None:
    """Unpack `archive` as `folder`, all or nothing; does nothing if the folder is there. Blocks.

    Permissions are kept; symbolic links too, if they stay inside. Raises BadArchive and ArchiveTooLarge.
    """
    if folder.exists():
        return
    staging = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    staging.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, staging, max_bytes)
        staging.rename(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeError, ValueError, NotImplementedError) as error:
        raise BadArchive(str(error) or "not a zip archive") from error
    except RuntimeError as error:  # what zipfile says to an encrypted entry
        raise BadArchive(str(error)) from error
    except OSError:
        if not folder.exists():  # else another call was faster
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack(archive: zipfile.ZipFile, folder: Path, max_bytes: int) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveTooLarge(f"{len(entries)} entries")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise ArchiveTooLarge(f"more than {max_bytes} bytes")
    links: list[tuple[str, str]] = []
    for entry in entries:
        name = _inside(entry.filename)
        mode = entry.external_attr >> 16
        if entry.is_dir():
            (folder / name).mkdir(parents=True, exist_ok=True)
        elif stat.S_ISLNK(mode):
            if entry.file_size > MAX_LINK:
                raise BadArchive(f"{entry.filename} is a symbolic link of {entry.file_size} bytes")
            links.append((name, os.fsdecode(archive.read(entry))))
        elif name:
            _write(archive, entry, folder / name, mode)
    for name, target in links:
        if target.startswith("/"):
            raise BadArchive(f"{name} is a symbolic link to {target}")
        _inside(posixpath.join(posixpath.dirname(name), target))
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.parent.resolve().is_relative_to(folder.resolve()):
            raise BadArchive(f"{name} lies outside the archive")
        if not os.path.lexists(link):
            link.symlink_to(target)
    for name, target in links:  # one link may lead through another
        if not (folder / name).resolve().is_relative_to(folder.resolve()):
            raise BadArchive(f"{name} is a symbolic link to {target}")


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, path.open("wb") as file:
            left = entry.file_size
            while left > 0 and (piece := source.read(min(PIECE, left))):
                left -= len(piece)
                file.write(piece)
        if left:
            raise BadArchive(f"{entry.filename} ends early")
        path.chmod((stat.S_IMODE(mode) & 0o777 if mode else 0o644) | 0o400)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise BadArchive(f"{entry.filename} is both a file and a folder") from None


def _inside(name: str) -> str:
    """The normal form of an entry's name; BadArchive if it leaves the folder."""
    name = name.replace("\\", "/")
    normal = posixpath.normpath(name)
    if name.startswith("/") or normal == ".." or normal.startswith("../") or "\0" in name:
        raise BadArchive(f"{name} lies outside the archive")
    return "" if normal == "." else normal
