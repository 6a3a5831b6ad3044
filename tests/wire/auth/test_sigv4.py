"""SigV4 against AWS's own test suite, which botocore's sources carry."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.wire.vectors import folder

from outcrop.services.contract import Credential, Principal
from outcrop.wire.auth.authenticate import Authenticator, Presented
from outcrop.wire.auth.claims import read_claim
from outcrop.wire.auth.errors import Refusal
from outcrop.wire.protocols.query import read_form

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # published with the suite
OWNER = Credential("AKIDEXAMPLE", SECRET, "123456789012", Principal("arn:aws:iam::123456789012:root", "1"))
LEFT_OUT = ("get-header-value-multiline", "get-vanilla-with-session-token")
"""HTTP/1.0 folding; and a token that the file of the request itself lacks."""
CASES = [path for path in sorted(folder().glob("auth/aws4_testsuite/**/*.req")) if path.stem not in LEFT_OUT]


def presented(path: Path) -> tuple[Presented, dict[str, str], bytes]:
    head, _, body = path.read_bytes().decode().partition("\n\n")
    first, *lines = head.splitlines()
    method, _, rest = first.partition(" ")
    target = rest.rpartition(" ")[0]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value
    headers["authorization"] = path.with_suffix(".authz").read_text()
    raw, _, query = target.partition("?")
    return Presented(method, raw, raw, query, read_form(query.encode()), headers), headers, body.encode()


def authenticator() -> Authenticator:
    moment = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
    return Authenticator({"AKIDEXAMPLE": OWNER}.get, clock=lambda: moment)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_verify(path):
    request, headers, body = presented(path)
    claim = read_claim(headers, {})
    credential = authenticator().find(claim)
    authenticator().verify(claim, credential, request, body)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_verify_refuses_another_body(path):
    request, headers, body = presented(path)
    claim = read_claim(headers, {})
    with pytest.raises(Refusal) as caught:
        authenticator().verify(claim, OWNER, request, body + b"!")
    assert caught.value.reason == "signature"


def test_verify_refuses_an_old_request():
    request, headers, body = presented(next(path for path in CASES if path.stem == "get-vanilla"))
    late = Authenticator({"AKIDEXAMPLE": OWNER}.get)
    with pytest.raises(Refusal) as caught:
        late.verify(read_claim(headers, {}), OWNER, request, body)
    assert caught.value.reason == "clock"
