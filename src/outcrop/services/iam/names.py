"""Ids, keys and ARNs, in the shapes that AWS gives them."""

from __future__ import annotations

import base64
import re
import secrets

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_POLICY_ARN = re.compile(r"arn:aws[\w-]*:iam::(\d{12}|aws):policy/\S+")


def unique_id(prefix: str) -> str:
    """`AROA…`, `AIDA…`, `AGPA…`, `ANPA…`, `AIPA…`: 21 characters."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(17))


def access_key_id(prefix: str, account: str) -> str:
    """`AKIA…` or `ASIA…`: 20 characters, which say the account as AWS's do."""
    head = 1 << 47 | int(account) << 7 | secrets.randbits(7)
    return prefix + base64.b32encode(head.to_bytes(6, "big") + secrets.token_bytes(4)).decode()


def account_of(key_id: str) -> str | None:
    """The account that an access key id says, or None if it says none."""
    try:
        head = int.from_bytes(base64.b32decode(key_id[4:])[:6], "big")
    except ValueError:
        return None
    account = (head & 0x7FFFFFFFFF80) >> 7
    return f"{account:012d}" if account < 10**12 else None


def secret_access_key() -> str:
    return base64.b64encode(secrets.token_bytes(30)).decode()


def session_token() -> str:
    return "IQoJb3JpZ2luX2Vj" + base64.b64encode(secrets.token_bytes(240)).decode()


def iam_arn(account: str, kind: str, path: str, name: str) -> str:
    return f"arn:aws:iam::{account}:{kind}{path}{name}"


def root_arn(account: str) -> str:
    return f"arn:aws:iam::{account}:root"


def is_policy_arn(arn: str) -> bool:
    return _POLICY_ARN.fullmatch(arn) is not None
