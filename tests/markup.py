"""A page of HTML taken apart, for tests of pages."""

import re
from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """The elements, the ids, what would be fetched, the text, and the tables; refuses tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.counts, self.ids, self.fetched, self.headings, self.text = [], Counter(), [], [], [], ""
        self.attributes = []
        self.tables, self.cell, self.table = {}, None, None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.counts[tag] += 1
        fields = dict(attributes)
        self.attributes.append((tag, fields))
        if "id" in fields:
            self.ids.append(fields["id"])
        self.fetched += [value for name, value in attributes if name in ("src", "srcset", "data", "poster", "action")]
        self.fetched += [value for name, value in attributes if name in ("href", "xlink:href") and tag != "a"]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag == "table":
            self.table = self.tables.setdefault(fields.get("id"), [])
        if tag == "tr" and self.table is not None:
            self.table.append([])
        if tag in ("td", "th") and self.table is not None:
            self.cell = {"text": "", **fields}
            self.table[-1].append(self.cell)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.cell = None
        if tag == "table":
            self.table = None

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data
            if self.cell is not None:
                self.cell["text"] += data


def words(text):
    """Text with single spaces."""
    return " ".join(text.split())
