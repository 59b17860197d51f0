"""Names in tables that may be opened in a spreadsheet, which would compute some texts as formulas."""

import re

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""First characters of text that a spreadsheet would compute, and the apostrophe that prevents it."""


def sheet_safe(text: str) -> str:
    """Text that a spreadsheet shows as text: an apostrophe is put before what looks like a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def from_sheet(text: str) -> str:
    """The original text of what `sheet_safe` returned."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text
