"""Names in tables that may be opened in a spreadsheet, which takes some texts for formulas and computes them."""

import re

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How text begins that a spreadsheet would compute, or that was kept from it."""


def sheet_safe(text: str) -> str:
    """Text that a spreadsheet takes for text: one apostrophe more in front of what begins as a formula does."""
    return f"'{text}" if FORMULA.match(text) else text


def from_sheet(text: str) -> str:
    """What `sheet_safe` was given, from what it gave."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text
