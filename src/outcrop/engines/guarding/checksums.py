"""Check digits of the numbers that people and their accounts go by."""

from __future__ import annotations

_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True))


def digits_of(text: str) -> list[int]:
    return [int(char) for char in text if char.isascii() and char.isdigit()]


def luhn(text: str) -> bool:
    """ISO/IEC 7812: payment cards, Canadian social insurance numbers."""
    total = 0
    for at, digit in enumerate(reversed(digits_of(text))):
        doubled = digit * 2 if at % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def iban(text: str) -> bool:
    """ISO 13616: the whole, rearranged and with letters as numbers, leaves 1 when divided by 97."""
    compact = "".join(text.split()).upper()
    return 15 <= len(compact) <= 34 and int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def routing_number(text: str) -> bool:
    """The American Bankers Association's weights 3, 7, 1."""
    digits = digits_of(text)
    return len(digits) == 9 and sum(d * w for d, w in zip(digits, (3, 7, 1) * 3, strict=True)) % 10 == 0


def nhs_number(text: str) -> bool:
    """Modulus 11 over the first nine digits."""
    digits = digits_of(text)
    if len(digits) != 10:
        return False
    check = 11 - sum(d * (10 - at) for at, d in enumerate(digits[:9])) % 11
    return check != 10 and check % 11 == digits[9]


def vehicle_number(text: str) -> bool:
    """ISO 3779 with the check digit that North America demands."""
    upper = text.upper()
    if len(upper) != 17:
        return False
    total = sum(
        (int(char) if char.isdigit() else _VIN_VALUES.get(char, 0)) * weight
        for char, weight in zip(upper, _VIN_WEIGHTS, strict=True)
    )
    return upper[8] == "0123456789X"[total % 11]
