from __future__ import annotations

from outcrop.services.knowledge_bases.ingestion.failures import LONGEST, OPAQUE, explain, sentences


def test_files_of_one_kind_are_named_in_one_sentence():
    (reason,) = sentences({"ignored": [("s3://b/a.xyz", "x"), ("s3://b/b.bin", "y")]}, strict=True)
    assert reason == (
        "Encountered error: Ignored 2 files as their file format was not supported. "
        "[Files: s3://b/a.xyz, s3://b/b.bin]. Call to Customer Source did not succeed."
    )


def test_more_files_than_a_reason_holds_become_several():
    files = [(f"s3://bucket/{number:04d}-{'x' * 90}.xyz", "") for number in range(100)]
    reasons = sentences({"ignored": files}, strict=False)
    assert len(reasons) > 3
    assert all(len(reason) <= LONGEST for reason in reasons)
    assert all(any(uri in reason for reason in reasons) for uri, _ in files)


def test_strict_mode_is_as_opaque_as_aws():
    failed = {"failed": [("s3://b/a.pdf", "the PDF is encrypted")]}
    assert sentences(failed, strict=True) == [f"Encountered error: {OPAQUE}. [Files: s3://b/a.pdf]"]
    assert sentences(failed, strict=False) == ["Encountered error: the PDF is encrypted. [Files: s3://b/a.pdf]"]
    assert explain("failed", "the PDF is encrypted", strict=True) == OPAQUE


def test_a_documents_reason_says_what_to_do():
    reason = explain("failed", "the PDF is encrypted", strict=False)
    assert reason.startswith("The PDF is encrypted. Mend the document")
    assert explain("failed", "s3://b/a can't be read", strict=False).startswith("s3://b/a can't be read. ")
