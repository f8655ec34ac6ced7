"""(pure) A file of rows that somebody sent: its characters, its columns by their names, its cells by the columns' keys.

Files come from strangers' tools: UTF-8, UTF-16 or Shift_JIS; commas, semicolons or tabs. What is too large, cut off or
no text is refused with a reason.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tracker.clock import from_ms, parse_instant, zone
from tracker.errors import Invalid

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 200_000
MOST_COLUMNS = 300
MOST_CHARACTERS = 10_000  # of one cell
MOST_ABOVE = 20  # lines in which the columns' names are looked for
ENCODINGS = ("utf-8-sig", "cp932", "cp1252")
DELIMITERS = (",", ";", "\t")
DATED = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T\s]+(\d{1,2})[:時](\d{1,2})(?:分|:(\d{1,2})(?:\.\d+)?秒?)?)?\s*"
)


@dataclass(frozen=True, slots=True)
class UploadedRow:
    """A row: the line it stands on, and its cells, trimmed, by the keys of the columns that were found."""

    line: int
    cells: Mapping[str, str]

    def get(self, key: str) -> str:
        """A cell, '' where there is none."""
        return self.cells.get(key, "")


def read_rows(content: bytes, columns: Mapping[str, Sequence[str]], needed: Sequence[str]) -> list[UploadedRow]:
    """The rows of a file under the line that names the columns.

    columns  by key, the names that a column may have; how they are written (case, spaces, _) makes no difference
    needed   keys without which there is no such file
    raises   Invalid: empty, too large, no text, no CSV, too many rows, or no line has the names that are needed
    """
    text = text_of(content)
    known = {plain(name): key for key, names in columns.items() for name in (key, *names)}
    delimiter = max(DELIMITERS, key=lambda one: named_in(text[:65_536], one, known))
    found: dict[int, str] = {}
    rows: list[UploadedRow] = []
    for number, cells in enumerate_lines(text, delimiter):
        if not found:
            found = places_of(cells, known)
            if not set(needed) <= set(found.values()):
                found = {}
                if number > MOST_ABOVE:
                    break
            continue
        if len(rows) == MOST_ROWS:
            raise Invalid(f"the file has more than {MOST_ROWS} rows", field="file")
        own = {key: cells[place].strip() for place, key in found.items() if place < len(cells)}
        rows.append(UploadedRow(number, own))
    if not found:
        raise Invalid(f"no line names the columns {', '.join(needed)}", field="file")
    return rows


def text_of(content: bytes) -> str:
    """A file's text; raises Invalid."""
    if not content.strip():
        raise Invalid("the file is empty", field="file")
    if len(content) > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    names = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ENCODINGS
    for name in names:
        try:
            text = content.decode(name)
        except UnicodeError:
            continue
        if "\x00" not in text:
            return text
    raise Invalid("the file is no text in UTF-8, UTF-16 or Shift_JIS", field="file")


def enumerate_lines(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The lines that have any text, each with its number; raises Invalid where they are no CSV."""
    reader, before = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 0
    found: list[tuple[int, list[str]]] = []
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Invalid(f"line {before + 1}: {error}", field="file") from error
        if cells is None:
            return found
        number, before = before + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > MOST_COLUMNS or len(max(cells, key=len)) > MOST_CHARACTERS:
            raise Invalid(f"line {number} is wider than any is read", field="file")
        found.append((number, cells))


def named_in(head: str, delimiter: str, known: Mapping[str, str]) -> int:
    """How many columns are known at most in one of the first lines, split so."""
    lines = (line.split(delimiter) for line in head.splitlines()[: MOST_ABOVE + 1])
    return max((len(places_of([cell.strip(' "') for cell in line], known)) for line in lines), default=0)


def places_of(cells: Sequence[str], known: Mapping[str, str]) -> dict[int, str]:
    """Which column stands where, if these cells are the columns' names; of two with one name the first."""
    found: dict[int, str] = {}
    for place, cell in enumerate(cells):
        key = known.get(plain(cell))
        if key is not None and key not in found.values():
            found[place] = key
    return found


def plain(name: str) -> str:
    """A column's name without what tools write differently."""
    return re.sub(r"[\s_\-./()]+", "", unicodedata.normalize("NFKC", name)).casefold()


def moment_of(text: str, timezone: str) -> datetime:
    """An instant as files write it, in UTC; raises Invalid.

    RFC 3339 with an offset; seconds since 1970; or a day, with or without a time, in the site's zone:
    '2026-04-01 9:30', '2026/4/1', '2026年4月1日 9時30分'. A day alone is its noon, so that no zone makes it another.
    """
    whole = unicodedata.normalize("NFKC", text).strip()
    try:
        if re.fullmatch(r"\d{9,10}", whole):
            return from_ms(int(whole) * 1000)
        if match := DATED.fullmatch(whole):
            year, month, day = (int(part) for part in match.groups()[:3])
            hour, minute, second = (int(part or 0) for part in match.groups()[3:])
            hour = 12 if match[4] is None else hour
            local = datetime(year, month, day, hour, minute, second, tzinfo=zone(timezone))
            return local.astimezone(UTC)
        return parse_instant(whole)
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{text[:40]!r} is no day or time", field="occurred_at") from error
