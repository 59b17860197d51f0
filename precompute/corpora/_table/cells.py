"""The cells of a table: empty ones, times, and names that programs rewrite."""

import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation

NOTHING = {
    "", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>", "n/a", "na", "nan", "nat", "nil",
    "none", "null", "(null)", "-", "--", "#value!", "#ref!", "#name?", "#div/0!", "#null!", "#num!", "#error!",
}  # fmt: skip
"""Words that pandas, R, databases and spreadsheets write where there is nothing; capitals do not matter."""

_NUMBER = r"(\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?"
_SECONDS = re.compile(rf"[+-]?{_NUMBER}")
_CLOCK = re.compile(r"(?:(\d+) days? ?\+?)?(?:(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d*)?))?")


def clean(cell: str) -> str:
    """A cell in the composed form of its accents (NFC), without spaces and invisible characters at its ends."""
    return unicodedata.normalize("NFC", cell).strip(" \t\r\n\v\f\u00a0\u2007\u202f\u200b\u200c\u200d\u2060\ufeff")


def is_nothing(cell: str) -> bool:
    """Whether a cell means "no value"."""
    return cell.casefold() in NOTHING


def seconds(cell: str, unit: float) -> float:
    """A time in seconds: a number, with a point or a comma, or a clock such as `0 days 00:00:01.5` or `1:02:03`.

    Args:
        cell: Not empty.
        unit: Seconds of the unit in which a plain number is.

    Raises:
        ValueError: It is no number, or not finite.
    """
    if _SECONDS.fullmatch(cell):
        time = float(cell.replace(",", ".")) * unit
        if math.isfinite(time):
            # Times in milliseconds are to be what they were in seconds.
            return round(time, 9) if unit != 1 else time
    elif clock := _CLOCK.fullmatch(cell):
        days, hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in clock.groups())
        if minutes < 60 and rest < 60:
            return 86400 * days + 3600 * hours + 60 * minutes + rest
    raise ValueError(cell)


def is_time(cell: str) -> bool:
    """Whether a cell could be a time."""
    try:
        seconds(cell, 1)
    except ValueError:
        return False
    return True


def same_name(name: str) -> str:
    """What is left of a name by capitals, width, spaces, invisible characters, and what a spreadsheet makes of a number.

    Two names that are left with the same may be one: `Anna` and `anna`, `03`, `3` and `3.0`, `1e3` and `1000`.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    plain = " ".join("".join(c for c in folded if unicodedata.category(c) != "Cf").split())
    try:
        number = Decimal(plain.replace(",", "."))
    except InvalidOperation:
        return plain
    # An exponent of a billion would be as many digits.
    return f"{number.normalize():f}" if number.is_finite() and abs(number.adjusted()) < 50 else plain
