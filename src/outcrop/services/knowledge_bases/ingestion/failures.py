"""Why a document or a source could not be ingested, and AWS's sentences for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from outcrop.services.knowledge_bases.store import FailureKind

TOO_LARGE = "Resource exceeded allowed size limit of 50 Megabytes. Please reduce the resource size and retry"
OPAQUE = (
    "Resource not processed due to a service exception. Please reach out to Amazon Bedrock technical support team for "
    "assistance"
)
LONGEST = 2048
"""Characters of one failure reason, and the number of reasons that a job shows."""

_SENTENCES: Mapping[FailureKind, tuple[str, str]] = MappingProxyType(
    {
        "ignored": (
            "Encountered error: Ignored {count} files as their file format was not supported. [Files: {files}]. "
            "Call to Customer Source did not succeed.",
            "Convert the file to a supported format, or leave it out of the source.",
        ),
        "bad_metadata": (
            "Encountered error: Ignored {count} files due to invalid metadata attributes. Check that the attribute "
            "keys and values don't exceed the character quota, and that the attribute values are acceptable data types "
            "(strings, numbers, or Booleans). Then retry your request [Files: {files}]. "
            "Call to Customer Source did not succeed.",
            "Correct the .metadata.json file beside the document and sync again.",
        ),
        "too_long": (
            "Encountered error: File body text exceeds size limit of 1000000 for semantic chunking. [Files: {files}]. "
            "Call to Customer Source did not succeed.",
            "Split the document, or use another chunking strategy.",
        ),
        "too_large": (
            f"Encountered error: {TOO_LARGE}. [Files: {{files}}]. Call to Customer Source did not succeed.",
            "Split the document into files of at most 50 MB.",
        ),
        "failed": (
            f"Encountered error: {OPAQUE}. [Files: {{files}}]",
            "Mend the document, then sync or ingest it again: a sync takes up what failed.",
        ),
    }
)


class DocumentFailure(Exception):
    """This document can't be ingested; the text is the true cause, for people."""

    def __init__(self, reason: str, kind: FailureKind = "failed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind

    @property
    def status(self) -> str:
        """Of the document, as AWS names it."""
        return "IGNORED" if self.kind in ("ignored", "too_large") else "FAILED"


class SourceFailure(Exception):
    """The source can't be read; the text says why."""


def explain(kind: FailureKind, cause: str, *, strict: bool) -> str:
    """The reason that a document's status carries: the true cause and what to do, or in strict mode AWS's words."""
    if strict:
        return _STRICT[kind]
    stop = "" if cause.endswith((".", "!", "?")) else "."
    begun = cause if cause.startswith("s3://") else cause[:1].upper() + cause[1:]
    return f"{begun}{stop} {_SENTENCES[kind][1]}"


_STRICT: Mapping[FailureKind, str] = MappingProxyType(
    {
        "ignored": "The file format was not supported.",
        "bad_metadata": "The metadata attributes are invalid.",
        "too_long": "File body text exceeds size limit of 1000000 for semantic chunking.",
        "too_large": TOO_LARGE,
        "failed": OPAQUE,
    }
)


def sentences(failed: Mapping[FailureKind, Sequence[tuple[str, str]]], *, strict: bool) -> list[str]:
    """A job's failureReasons from (URI, cause) by kind: AWS's sentences, and in helpful mode the cause of each file."""
    reasons: list[str] = []
    for kind, (sentence, _) in _SENTENCES.items():
        files = failed.get(kind, ())
        if not files:
            continue
        if kind == "failed" and not strict:
            reasons += [f"Encountered error: {cause}. [Files: {uri}]" for uri, cause in files]
            continue
        reasons += _listed(sentence, [uri for uri, _ in files])
        if kind == "bad_metadata" and not strict:
            reasons += [f"{uri}: {cause}" for uri, cause in files]
    return [reason[:LONGEST] for reason in reasons[:LONGEST]]


def _listed(sentence: str, uris: Sequence[str]) -> list[str]:
    """As many sentences as it takes to name every file within the length of a reason."""
    room = LONGEST - len(sentence)
    groups: list[list[str]] = []
    used = room + 1
    for uri in uris:
        if used + len(uri) + 2 > room:
            groups.append([])
            used = 0
        groups[-1].append(uri)
        used += len(uri) + 2
    return [sentence.format(count=len(group), files=", ".join(group)) for group in groups]
