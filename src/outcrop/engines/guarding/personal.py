"""Personal data and secrets by their form, their check digits, and the words before them ("PIN: 4711")."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outcrop.engines.guarding.checksums import (
    digits_of,
    iban,
    luhn,
    nhs_number,
    routing_number,
    vehicle_number,
)
from outcrop.engines.guarding.match import Match, apart
from outcrop.engines.linear_regex import compiled

_NO_NINO = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_IS = r"(?:\s*(?:number|no\.?|code|id))?\s*(?:is|was|:|=|#)?\s*#?"


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: str
    """Its group, if it has one, is the datum; the rest is what tells it."""
    check: Callable[[str], bool] = lambda text: True


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _phone(text: str) -> bool:
    return 7 <= len(digits_of(text)) <= 15


def _card(text: str) -> bool:
    digits = digits_of(text)
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and luhn(text)


def _ssn(text: str) -> bool:
    number = "".join(map(str, digits_of(text)))
    return number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


def _secret(text: str) -> bool:
    """Forty characters by chance: of every kind. A digest in hexadecimal digits is none."""
    return any(c.isupper() for c in text) and any(c.islower() for c in text) and any(c.isdigit() for c in text)


def _mixed(text: str) -> bool:
    return any(char.isdigit() for char in text)


_FORMS: Mapping[str, tuple[_Form, ...]] = {
    "EMAIL": (_Form(r"[\w.%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"),),
    "URL": (_Form(r"\b(?i:https?|ftp)://[^\s<>\"']*[^\s<>\"'.,;:!?)\]}]"), _Form(r"\b(?i:www)\.[\w\-]+\.[\w./\-]*\w")),
    "IP_ADDRESS": (
        _Form(r"\b(?:\d{1,3}\.){3}\d{1,3}\b", _ip),
        _Form(
            r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}",
            lambda text: text.count(":") < 8 and text != "::" and _ip(text),
        ),
    ),
    "MAC_ADDRESS": (
        _Form(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b"),
        _Form(r"\b[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}\b"),
    ),
    "PHONE": (
        _Form(r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-]?\d{2,4}){1,4}\b", _phone),
        _Form(r"(?:\(\d{3}\) ?|\b\d{3}[ .\-])\d{3}[ .\-]\d{4}\b", _phone),
        _Form(
            rf"(?i)\b(?:phone|mobile|tel|telephone|call me (?:at|on)|fax){_IS}\s*(\(?\d[\d ().\-]{{5,16}}\d)", _phone
        ),
    ),
    "CREDIT_DEBIT_CARD_NUMBER": (_Form(r"\b\d(?:[ \-]?\d){12,18}\b", _card),),
    "CREDIT_DEBIT_CARD_CVV": (_Form(rf"(?i)\b(?:cvv2?|cvc2?|card verification|security code){_IS}\s*(\d{{3,4}})\b"),),
    "CREDIT_DEBIT_CARD_EXPIRY": (
        _Form(
            r"(?i)\b(?:exp(?:iry|ires|iration)?(?: date)?|valid (?:thru|through|until))\.?\s*(?:is|on|:|=)?\s*"
            r"((?:0[1-9]|1[0-2])\s?[/\-]\s?(?:20)?\d{2})\b"
        ),
    ),
    "PIN": (_Form(rf"(?i)\bpin{_IS}\s*(\d{{4,6}})\b"),),
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": (_Form(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", iban),),
    "SWIFT_CODE": (
        _Form(rf"\b(?i:swift|bic)(?:/(?i:bic|swift))?{_IS}\s*([A-Z]{{6}}[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?)\b"),
    ),
    "US_SOCIAL_SECURITY_NUMBER": (
        _Form(r"\b\d{3}-\d{2}-\d{4}\b", _ssn),
        _Form(rf"(?i)\b(?:ssn|social security){_IS}\s*(\d{{3}}[ \-]?\d{{2}}[ \-]?\d{{4}})\b", _ssn),
    ),
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": (
        _Form(r"\b9\d{2}[ \-](?:5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])[ \-]\d{4}\b"),
    ),
    "US_BANK_ACCOUNT_NUMBER": (
        _Form(rf"(?i)\b(?:bank |checking |savings )?(?:account|acct\.?){_IS}\s*(\d{{8,17}})\b"),
    ),
    "US_BANK_ROUTING_NUMBER": (_Form(rf"(?i)\b(?:routing|aba|rtn){_IS}\s*(\d{{9}})\b", routing_number),),
    "US_PASSPORT_NUMBER": (_Form(rf"(?i)\bpassport{_IS}\s*([A-Z]?\d{{8,9}})\b"),),
    "DRIVER_ID": (
        _Form(
            rf"(?i)\b(?:driver'?s?'? licen[cs]e|driving licen[cs]e){_IS}\s*([A-Z0-9](?:[A-Z0-9\-]){{4,17}})\b", _mixed
        ),
    ),
    "LICENSE_PLATE": (
        _Form(
            rf"(?i)\b(?:licen[cs]e|number|registration) plate{_IS}\s*([A-Z0-9]{{1,4}}[ \-]?[A-Z0-9]{{2,5}})\b", _mixed
        ),
    ),
    "VEHICLE_IDENTIFICATION_NUMBER": (
        _Form(r"\b[A-HJ-NPR-Z0-9]{17}\b", vehicle_number),
        _Form(rf"(?i)\bvin{_IS}\s*([A-HJ-NPR-Z0-9]{{17}})\b"),
    ),
    "CA_SOCIAL_INSURANCE_NUMBER": (
        _Form(r"\b[1-79]\d{2}[ \-]\d{3}[ \-]\d{3}\b", luhn),
        _Form(rf"(?i)\b(?:sin|social insurance){_IS}\s*([1-79]\d{{8}})\b", luhn),
    ),
    "CA_HEALTH_NUMBER": (
        _Form(rf"(?i)\bhealth (?:card|number|insurance){_IS}\s*(\d{{4}}[ \-]?\d{{3}}[ \-]?\d{{3}})\b"),
    ),
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": (
        _Form(r"\b\d{3}[ \-]\d{3}[ \-]\d{4}\b", nhs_number),
        _Form(rf"(?i)\bnhs{_IS}\s*(\d{{10}})\b", nhs_number),
    ),
    "UK_NATIONAL_INSURANCE_NUMBER": (
        _Form(
            r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
            lambda text: text[:2] not in _NO_NINO,
        ),
    ),
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER": (
        _Form(rf"(?i)\b(?:utr|unique taxpayer reference){_IS}\s*(\d{{5}} ?\d{{5}})\b"),
    ),
    "AGE": (
        _Form(
            r"(?i)\b(?:I am|I'm|he is|she is|aged?)\s*(?:is|:)?\s*(\d{1,3})\b(?:\s+years? old)?",
            lambda text: int(text) < 125,
        ),
        _Form(r"(?i)\b(\d{1,3})(?:\s+years? old|[ \-]year[ \-]old)\b", lambda text: int(text) < 125),
    ),
    "USERNAME": (_Form(r"(?i)\b(?:user ?name|user id|login)\s*(?:is|:|=)\s*([\w.\-@]{2,64})"),),
    "PASSWORD": (_Form(r"(?i)\b(?:password|passwd|passphrase|pwd)\s*(?:is|:|=)\s*(\S{4,128})"),),
    "AWS_ACCESS_KEY": (_Form(r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b"),),
    "AWS_SECRET_KEY": (_Form(r"(?:^|[^A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?:$|[^A-Za-z0-9/+=])", _secret),),
}

KINDS = frozenset(_FORMS)
"""The kinds of data that can be found. Names and postal addresses have no form of their own and are not among them."""


class Personal:
    """Finds data of some kinds. Their patterns are compiled once, when first needed."""

    def __init__(self, kinds: Collection[str]) -> None:
        # The form of a phone number is the least particular: of two kinds that claim the same text it gives way.
        self._kinds = sorted((kind for kind in _FORMS if kind in kinds), key="PHONE".__eq__)
        self._compiled: list[tuple[str, Any, _Form]] | None = None

    def find(self, text: str) -> list[Match]:
        """In order of place; where two kinds claim the same place, the longer match is told."""
        if self._compiled is None:
            self._compiled = [(kind, compiled(form.pattern), form) for kind in self._kinds for form in _FORMS[kind]]
        return apart(self._each(text, self._compiled))

    def _each(self, text: str, forms: Collection[tuple[str, Any, _Form]]) -> Iterator[Match]:
        for kind, pattern, form in forms:
            group = min(pattern.groups, 1)
            for found in pattern.finditer(text):
                if form.check(found.group(group)):
                    yield Match(found.start(group), found.end(group), found.group(group), kind)
