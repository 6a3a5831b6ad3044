import pytest

from outcrop.engines.guarding.match import masked
from outcrop.engines.guarding.personal import KINDS, Personal


def mask(text, kinds=KINDS):
    return masked(text, Personal(kinds).find(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail bob.o'neil@mail.example.co.uk now", "Mail bob.o'{EMAIL} now"),
        ("Write to bob+x@example.com.", "Write to {EMAIL}."),
        ("card 4111 1111 1111 1111 please", "card {CREDIT_DEBIT_CARD_NUMBER} please"),
        ("order 4111 1111 1111 1112 please", "order 4111 1111 1111 1112 please"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN {INTERNATIONAL_BANK_ACCOUNT_NUMBER}."),
        ("IBAN DE88 3704 0044 0532 0130 00.", "IBAN DE88 3704 0044 0532 0130 00."),
        ("SSN 123-45-6789", "SSN {US_SOCIAL_SECURITY_NUMBER}"),
        ("part 000-45-6789", "part 000-45-6789"),
        ("my PIN is 4711", "my PIN is {PIN}"),
        ("at 10.0.0.1, not 10.0.0.256", "at {IP_ADDRESS}, not 10.0.0.256"),
        ("host fe80::1ff:fe23:4567:890a!", "host {IP_ADDRESS}!"),
        ("at 12:30:45 sharp", "at 12:30:45 sharp"),
        ("MAC 00:1A:2B:3C:4D:5E", "MAC {MAC_ADDRESS}"),
        ("call +44 20 7946 0958", "call {PHONE}"),
        ("call (555) 123-4567 on 2026-11-28", "call {PHONE} on 2026-11-28"),
        ("id AKIAIOSFODNN7EXAMPLE", "id {AWS_ACCESS_KEY}"),
        ("key wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "key {AWS_SECRET_KEY}"),
        ("commit da39a3ee5e6b4b0d3255bfef95601890afd80709", "commit da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("see https://x.org/a?b=1.", "see {URL}."),
        ("I am 34 years old", "I am {AGE} years old"),
        ("VIN 1HGCM82633A004352", "VIN {VEHICLE_IDENTIFICATION_NUMBER}"),
        ("NHS number: 943 476 5919", "NHS number: {UK_NATIONAL_HEALTH_SERVICE_NUMBER}"),
        ("NI AB 12 34 56 C", "NI {UK_NATIONAL_INSURANCE_NUMBER}"),
        ("routing number 021000021", "routing number {US_BANK_ROUTING_NUMBER}"),
        ("password: hunter22!", "password: {PASSWORD}"),
        ("The school has 340 pupils since 1912.", "The school has 340 pupils since 1912."),
    ],
)
def test_masks(text, expected):
    assert mask(text) == expected


def test_finds_only_the_kinds_that_are_wanted():
    assert mask("bob@example.com 10.0.0.1", {"EMAIL"}) == "{EMAIL} 10.0.0.1"


def test_long_hostile_text_takes_linear_time():
    assert mask("1 " * 100_000 + "a@" * 50_000).startswith("1 1")
