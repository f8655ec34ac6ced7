"""(pure) From the bytes of a file to its lines of cells: which characters, what stands between cells, where it begins.

Files come from strangers' tools: what is too large, cut off or no text is refused with a reason, before any of it
is looked at more closely.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracker.costs.platforms import BY_PLATFORM, LAYOUTS, OWN, columns_of, score
from tracker.errors import Invalid
from tracker.vocabulary import AdPlatform

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 200_000
MOST_COLUMNS = 300
MOST_CHARACTERS = 4_000  # of one cell
MOST_ABOVE = 50  # lines in which the columns' names are looked for
# As people call them, and as Python does; CP932 is what Windows means by Shift_JIS.
ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "shift_jis": "cp932", "windows-1252": "cp1252"}
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of cells, and the number of the file's line on which it begins."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as lines of cells; empty lines are not among them.

    encoding, delimiter  as it was read: names of ENCODINGS and DELIMITERS
    """

    encoding: str
    delimiter: str
    lines: tuple[Line, ...]


def read_sheet(content: bytes, encoding: str | None = None, delimiter: str | None = None) -> Sheet:
    """Read a file; what is not given is found out.

    raises  Invalid: empty, too large, in another encoding, not CSV, too many rows or columns
    """
    if not content.strip():
        raise Invalid("the file is empty", field="file")
    if len(content) > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    encoding = encoding or encoding_of(content)
    if encoding not in ENCODINGS:
        raise Invalid(f"unknown encoding {encoding[:20]!r}", field="encoding")
    try:
        text = content.decode(ENCODINGS[encoding])
    except UnicodeError as error:
        raise Invalid(f"the file is not in {encoding}", field="encoding") from error
    if "\x00" in text:
        raise Invalid("the file holds NUL characters: it is no text", field="file")
    text = text.removeprefix("\ufeff")
    delimiter = delimiter or delimiter_of(text)
    if delimiter not in DELIMITERS:
        raise Invalid(f"unknown delimiter {delimiter[:20]!r}", field="delimiter")
    lines = tuple(lines_of(text, DELIMITERS[delimiter]))
    if not lines:
        raise Invalid("the file is empty", field="file")
    return Sheet(encoding, delimiter, lines)


def encoding_of(content: bytes) -> str:
    """The encoding of a file's bytes, a name of ENCODINGS; raises Invalid where it fits none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for name in ("utf-8", "shift_jis", "windows-1252"):
        try:
            content.decode(ENCODINGS[name])
        except UnicodeError:
            continue
        return name
    raise Invalid("the file is no text in UTF-8, UTF-16 or Shift_JIS", field="encoding")


def delimiter_of(text: str) -> str:
    """What stands between cells: that by which a platform's header is found, else that which gives most cells."""
    head = text[:65_536]
    return max(DELIMITERS, key=lambda name: fit(head, DELIMITERS[name]))


def fit(head: str, delimiter: str) -> tuple[int, int]:
    """How well a delimiter explains the beginning of a file."""
    found: list[Line] = []
    try:
        for line in lines_of(head, delimiter):
            found.append(line)
            if len(found) == MOST_ABOVE:
                break
    except Invalid:
        pass  # cut off within quotes, or wrong: what was read must do
    known = max((known_columns(line.cells) for line in found), default=0)
    return known, sum(len(line.cells) - 1 for line in found)


def known_columns(names: Sequence[str]) -> int:
    """How many of a line's cells are the name of a column."""
    if len(names) < 2 or len(names) > MOST_COLUMNS:
        return 0
    return max(*(score(layout, names) for layout in LAYOUTS), len(columns_of(OWN, names)))


def lines_of(text: str, delimiter: str) -> Iterator[Line]:
    """The lines that have any text; raises Invalid where they are no CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before, n = 0, 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Invalid(f"line {before + 1}: {error}", field="file") from error
        if cells is None:
            return
        number, before = before + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > MOST_COLUMNS:
            raise Invalid(f"line {number} has {len(cells)} columns; at most {MOST_COLUMNS} are read", field="file")
        if len(max(cells, key=len)) > MOST_CHARACTERS:
            raise Invalid(f"line {number} has a cell of more than {MOST_CHARACTERS} characters", field="file")
        n += 1
        if n > MOST_ROWS + MOST_ABOVE:
            raise Invalid(f"the file has more than {MOST_ROWS} rows", field="file")
        yield Line(number, tuple(cells))


def header_of(sheet: Sheet, platform: AdPlatform | None = None) -> int:
    """Which of the sheet's lines names the columns, counted from 0: the one that a platform has, else the widest."""
    first = sheet.lines[:MOST_ABOVE]
    layouts = LAYOUTS if platform is None else (BY_PLATFORM[platform],)
    scores = [max(score(layout, line.cells) for layout in layouts) for line in first]
    if not any(scores):
        scores = [known_columns(line.cells) for line in first]
    if not any(scores):
        scores = [sum(bool(cell.strip()) for cell in line.cells) for line in first]
    return scores.index(max(scores))
