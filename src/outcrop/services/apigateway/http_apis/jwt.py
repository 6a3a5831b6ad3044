"""JSON Web Tokens signed with RSA, and the keys that their issuers publish."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_DOCUMENT = 1 << 20
KEPT = 7_200.0
"""Seconds for which an issuer's keys are believed."""
PAUSE = 30.0
"""Seconds between two looks for a key that an issuer didn't have."""

_DIGESTS: Mapping[str, tuple[str, bytes]] = {
    "RS256": ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
    "RS384": ("sha384", bytes.fromhex("3041300d060960864801650304020205000430")),
    "RS512": ("sha512", bytes.fromhex("3051300d060960864801650304020305000440")),
}
"""Hash and the prefix that PKCS #1 v1.5 puts before it."""


class BadToken(Exception):
    """The token isn't valid; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    modulus: int
    exponent: int

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        size = (self.modulus.bit_length() + 7) // 8
        name, prefix = _DIGESTS[algorithm]
        tail = b"\x00" + prefix + hashlib.new(name, signed).digest()
        if len(signature) != size or size < len(tail) + 11:
            return False
        found = pow(int.from_bytes(signature), self.exponent, self.modulus).to_bytes(size)
        return found == b"\x00\x01" + b"\xff" * (size - len(tail) - 2) + tail


@dataclass(frozen=True, slots=True)
class Token:
    algorithm: str
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    def check(self, issuer: str, audience: Sequence[str], now: float) -> None:
        """Raises BadToken unless the token is for this audience, from this issuer and valid now."""
        claims = self.claims
        if claims.get("iss") != issuer:
            raise BadToken("the issuer doesn't match")
        given = claims["aud"] if "aud" in claims else claims.get("client_id")
        if not set(given if isinstance(given, list) else [given]) & set(audience):
            raise BadToken("the audience doesn't match")
        if "exp" not in claims:
            raise BadToken("the claim exp is missing")
        for name in ("exp", "nbf", "iat"):
            at = claims.get(name, now)
            if isinstance(at, bool) or not isinstance(at, int | float):
                raise BadToken(f"the claim {name} is no number")
            if name == "exp" and at <= now:
                raise BadToken("the token has expired")
            if name != "exp" and at > now:
                raise BadToken(f"the claim {name} is in the future")

    @property
    def scopes(self) -> list[str]:
        given = self.claims.get("scope", self.claims.get("scp", ""))
        return [str(one) for one in given] if isinstance(given, list) else str(given).split()


def read_token(text: str) -> Token:
    """Raises BadToken."""
    text = text[7:] if text[:7].lower() == "bearer " else text
    parts = text.strip().split(".")
    if len(parts) != 3:
        raise BadToken("it is not a JSON Web Token")
    try:
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except (ValueError, RecursionError):
        raise BadToken("it is not a JSON Web Token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadToken("it is not a JSON Web Token")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in _DIGESTS:
        raise BadToken(f"the signing method {algorithm} is invalid")
    if not isinstance(key_id, str):
        raise BadToken("the token names no key (kid)")
    return Token(str(algorithm), key_id, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def read_keys(document: Any) -> dict[str, PublicKey]:
    """The RSA keys of a JSON Web Key Set by their ids."""
    keys: dict[str, PublicKey] = {}
    for entry in document.get("keys", ()) if isinstance(document, dict) else ():
        try:
            if entry["kty"] == "RSA":
                numbers = (int.from_bytes(_decode(entry[name])) for name in ("n", "e"))
                keys[entry["kid"]] = PublicKey(*numbers)
        except (KeyError, TypeError, ValueError):
            continue
    return keys


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part.encode() + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


class KeySets:
    """The keys of issuers, fetched once and kept for two hours."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[float, dict[str, PublicKey]]] = {}

    async def key(self, issuer: str, key_id: str) -> PublicKey:
        """Raises BadToken if the issuer doesn't have it or can't be asked."""
        at, keys = self._keys.get(issuer, (0.0, {}))
        now = time.monotonic()
        if not at or now - at > KEPT or (key_id not in keys and now - at > PAUSE):
            keys = await _fetch(issuer)
            self._keys[issuer] = (now, keys)
        if key_id not in keys:
            raise BadToken(f"the issuer has no key with the id {key_id}")
        return keys[key_id]


async def _fetch(issuer: str) -> dict[str, PublicKey]:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=5.0, follow_redirects=True) as client:
            document = await _document(client, issuer.rstrip("/") + "/.well-known/openid-configuration")
            return read_keys(await _document(client, document["jwks_uri"]))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise BadToken(f"the keys of {issuer} can't be fetched: {type(error).__name__}: {error}") from None


async def _document(client: Any, url: str) -> Any:
    received = bytearray()
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for piece in response.aiter_bytes():
            received += piece
            if len(received) > MAX_DOCUMENT:
                raise ValueError(f"{url} is larger than {MAX_DOCUMENT} bytes")
    return json.loads(received)
