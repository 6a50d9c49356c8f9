"""Records for programs: JSON, JSON lines, CSV, Markdown, tab-separated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitml.render.as_json import dump_json, dump_json_line, plain
from gitml.render.numbers import format_number
from gitml.render.text import clean, pad, width

PORCELAIN_VERSION = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """Records of one kind, ready for every format.

    Attributes:
        kind: The key of the JSON document: "runs".
        documents: One a record, for JSON.
        records: The same flat: field name to value, for the rest.
        fields: The columns of CSV, in order.
        porcelain: The columns of the tab-separated form; they never change
            within its version, new ones come last.
        markdown: The columns of the Markdown table; all fields if not given.
    """

    kind: str
    documents: Sequence[Mapping[str, Any]]
    records: Sequence[Mapping[str, Any]]
    fields: tuple[str, ...]
    porcelain: tuple[str, ...]
    markdown: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, kind: str, records: Sequence[Mapping[str, Any]], fields: Sequence[str] | None = None
    ) -> Listing:
        """List records that are flat already, with the same columns in every format.

        Args:
            kind: The key of the JSON document.
            records: Field name to value.
            fields: The columns; the first record's keys if not given.
        """
        columns = tuple(fields if fields is not None else (records[0] if records else ()))
        return cls(kind, records, records, columns, columns)


def to_json(listing: Listing) -> str:
    """Write one JSON document."""
    return dump_json(listing.kind, listing.documents)


def to_json_lines(listing: Listing, *, end: str = "\n") -> str:
    """Write one line of JSON a record."""
    return "".join(dump_json_line(document) + end for document in listing.documents)


def to_csv(listing: Listing) -> str:
    """Write CSV (RFC 4180, but lines end in LF) with a heading."""
    lines = [listing.fields, *([record.get(field) for field in listing.fields] for record in listing.records)]
    return "".join(",".join(map(_csv_field, line)) + "\n" for line in lines)


def to_porcelain(listing: Listing, *, end: str = "\n") -> str:
    r"""Write a heading that names version and fields, then tab-separated records.

    Tabs, line ends and backslashes in values are `\t`, `\n`, `\r` and `\\`; a
    missing value is empty.
    """
    heading = "\t".join([f"# gitml porcelain {PORCELAIN_VERSION} {listing.kind}", *listing.porcelain])
    lines = (
        "\t".join(_escaped(_text(record.get(field))) for field in listing.porcelain)
        for record in listing.records
    )
    return "".join(line + end for line in (heading, *lines))


def to_markdown(listing: Listing) -> str:
    """Write a Markdown table, for pull requests."""
    fields = listing.markdown if listing.markdown is not None else listing.fields
    rows = [[_short(record.get(field)) for field in fields] for record in listing.records]
    numeric = [_is_numeric(record.get(field) for record in listing.records) for field in fields]
    return markdown_table([clean(field) for field in fields], rows, numeric)


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Set a table in Markdown; cells are plain text and come out as such."""
    cells = [[_markdown_escaped(text) for text in row] for row in (heading, *rows)]
    widths = [max(3, *(width(row[i]) for row in cells)) for i in range(len(heading))]
    rule = ["-" * (size - 1) + ":" if r else "-" * size for size, r in zip(widths, right, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = (pad(text, size, right=r) for text, size, r in zip(row, widths, right, strict=True))
        return f"| {' | '.join(padded)} |\n"

    return line(cells[0]) + f"| {' | '.join(rule)} |\n" + "".join(line(row) for row in cells[1:])


def _markdown_escaped(text: str) -> str:
    # Escaping everything that Markdown may read as markup keeps names what they are.
    return "".join("\\" + letter if letter in "\\`*_{}[]<>#|~!" else letter for letter in text)


def _is_numeric(values: Iterable[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in present)


def _short(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else clean(_text(value))


def _csv_field(value: Any) -> str:
    # Python's writer leaves a lone carriage return unquoted when lines end in LF.
    text: str = plain(_text(value))
    return '"' + text.replace('"', '""') + '"' if any(letter in text for letter in '",\r\n') else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(plain(value)) if value != value or value in (float("inf"), float("-inf")) else repr(value)
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)


def _escaped(text: str) -> str:
    plain_text: str = plain(text)
    for letter, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        plain_text = plain_text.replace(letter, escape)
    return plain_text
