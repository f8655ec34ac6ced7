"""(pure) A file of stages, from its bytes to who is in which stage since when, and which lines cannot be meant.

Files come from strangers' tools: an export of HubSpot, of this product, or a table somebody made. Columns are known by
their names, in English or Japanese; stages by internal name, by the site's label, or as HubSpot and this product say.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tracker.clock import EPOCH, zone
from tracker.errors import Invalid
from tracker.identity.normalise import email_of
from tracker.lifecycle.stages import Stages
from tracker.vocabulary import Stage

MOST_BYTES = 2 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 300
MOST_CHARACTERS = 4_000  # of one cell
MOST_NAME = 200
# CP932 is what Windows means by Shift_JIS.
ENCODINGS = ("utf-8-sig", "cp932")
DELIMITERS = (",", ";", "\t")
CONTACT_ID = re.compile("[0-9a-f]{32}")
DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})(?:\s*日)?")
CLOCK = re.compile(r"[T\s]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?")


class Role(StrEnum):
    """What a column says."""

    PERSON = "person"
    EMAIL = "email"
    STAGE = "stage"
    AT = "at"


class Wrong(StrEnum):
    """Why a line cannot be meant."""

    NOBODY = "nobody"
    UNKNOWN_PERSON = "unknown_person"
    NO_STAGE = "no_stage"
    UNKNOWN_STAGE = "unknown_stage"
    BAD_DATE = "bad_date"
    FUTURE = "future"
    TWICE = "twice"


# As plain() makes them of a column's name.
COLUMNS: Mapping[Role, frozenset[str]] = {
    Role.PERSON: frozenset(
        "crmid recordid contactid contact contactrecordid id hubspotid salesforceid leadid crmのid crm番号 レコードid "
        "コンタクトid コンタクト 連絡先 連絡先id 顧客id 顧客番号".split()
    ),
    Role.EMAIL: frozenset("email mail emailaddress eメール メール メールアドレス eメールアドレス 電子メール".split()),
    Role.STAGE: frozenset(
        "stage lifecyclestage contactstage newstage ステージ ライフサイクルステージ 段階 新しいステージ".split()
    ),
    Role.AT: frozenset(
        "date at changedat stageat since entered dateentered changedon stagedate 日付 日時 変更日 変更日時 開始日 "
        "ステージ変更日".split()
    ),
}
# What else the shipped stages are called, by HubSpot in English and Japanese and by this product.
WORDS: Mapping[str, str] = {
    "購読者": Stage.SUBSCRIBER,
    "サブスクライバー": Stage.SUBSCRIBER,
    "登録読者": Stage.SUBSCRIBER,
    "リード": Stage.LEAD,
    "見込み客": Stage.LEAD,
    "mql": Stage.MQL,
    "マーケティング認定リード": Stage.MQL,
    "sql": Stage.SQL,
    "セールス認定リード": Stage.SQL,
    "営業認定リード": Stage.SQL,
    "案件化": Stage.OPPORTUNITY,
    "案件": Stage.OPPORTUNITY,
    "商談": Stage.OPPORTUNITY,
    "顧客": Stage.CUSTOMER,
    "エバンジェリスト": Stage.EVANGELIST,
    "推奨者": Stage.EVANGELIST,
    "その他": Stage.OTHER,
    "その他のステージ": Stage.OTHER,
    "otherstage": Stage.OTHER,
}


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a line names: all it says of them; the first that somebody is known by counts."""

    contact_id: str = ""
    crm_id: str = ""
    email: str = ""

    @property
    def text(self) -> str:
        """For people to read."""
        return self.email or self.crm_id or self.contact_id


@dataclass(frozen=True, slots=True)
class StageRow:
    """A line that says something. at: since when; None: since the file is taken in."""

    line: int
    who: Named
    stage: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A line that cannot be meant; text: what stands there, cut."""

    line: int
    why: Wrong
    text: str


@dataclass(frozen=True, slots=True)
class StageFile:
    """What a file says."""

    rows: tuple[StageRow, ...]
    wrong: tuple[WrongRow, ...]


def read_stages(content: bytes, stages: Stages, timezone: str, now: datetime) -> StageFile:
    """Understand a file of stages.

    timezone  in which days and times without an offset are meant; a day is since its first moment
    raises    Invalid: empty, too large, no text in UTF-8 or Shift_JIS, no CSV, without the columns that it needs
    """
    lines = list(lines_of(text_of(content)))
    if not lines:
        raise Invalid("the file is empty", field="file")
    columns = columns_of(lines[0][1])
    words = words_of(stages)
    rows: list[StageRow] = []
    wrong: list[WrongRow] = []
    for number, cells in lines[1:]:
        found = row_of(number, cells_by(columns, cells), words, timezone, now)
        if isinstance(found, StageRow):
            rows.append(found)
        else:
            wrong.append(found)
    return StageFile(tuple(rows), tuple(wrong))


def text_of(content: bytes) -> str:
    """A file's text; raises Invalid."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"the file has more than {MOST_BYTES // 1024 // 1024} MB", field="file")
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise Invalid("the file is no text in UTF-8 or Shift_JIS", field="file")


def lines_of(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that have any text, with the number of the file's line on which each begins; raises Invalid."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
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
            raise Invalid(f"line {number} has more than {MOST_COLUMNS} columns", field="file")
        if max(map(len, cells)) > MOST_CHARACTERS:
            raise Invalid(f"line {number} has a cell of more than {MOST_CHARACTERS} characters", field="file")
        n += 1
        if n > MOST_ROWS + 1:
            raise Invalid(f"the file has more than {MOST_ROWS} rows", field="file")
        yield number, cells


def delimiter_of(text: str) -> str:
    """What stands between cells: that by which most columns of the first line are known."""
    head = next((line for line in text.splitlines() if line.strip()), "")

    def known(delimiter: str) -> tuple[int, int]:
        cells = [cell.strip('" ') for cell in head.split(delimiter)]
        return len({role for cell in cells if (role := role_of(cell))}), len(cells)

    return max(DELIMITERS, key=known)


def plain(text: str) -> str:
    """A word without its form: 'Lifecycle Stage', 'lifecycle_stage' and 'ｌｉｆｅｃｙｃｌｅｓｔａｇｅ' are one."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def role_of(name: str) -> Role | None:
    """What a column of this name says."""
    word = plain(name)
    return next((role for role, names in COLUMNS.items() if word in names), None)


def columns_of(names: Sequence[str]) -> Mapping[Role, list[int]]:
    """Where each column stands; several may name the person. Raises Invalid where one that is needed is missing."""
    found: dict[Role, list[int]] = {}
    for place, name in enumerate(names):
        if role := role_of(name):
            found.setdefault(role, []).append(place)
    if Role.STAGE not in found:
        raise Invalid("there is no column “Stage”", field="stage")
    if Role.PERSON not in found and Role.EMAIL not in found:
        raise Invalid("there is no column “E-mail”, “CRM id” or “Contact”", field="person")
    if double := next((role for role in (Role.STAGE, Role.AT) if len(found.get(role, ())) > 1), None):
        raise Invalid(f"there are several columns for the {double}", field=str(double))
    return found


def cells_by(columns: Mapping[Role, Sequence[int]], cells: Sequence[str]) -> Mapping[Role, list[str]]:
    """What a line says in each kind of column."""
    return {
        role: [bare(cells[place]) for place in places if place < len(cells) and cells[place].strip()]
        for role, places in columns.items()
    }


def bare(cell: str) -> str:
    """A cell's text without what keeps a spreadsheet from taking it for a formula."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


def words_of(stages: Stages) -> Mapping[str, str]:
    """By what the stages of a site can be called, their internal names; the site's own words before all others."""
    found = {word: str(name) for word, name in WORDS.items() if name in stages}
    found |= {plain(name): name for name in stages.names}
    return found | {plain(one.label): one.name for one in stages.all if one.label}


def row_of(
    line: int, told: Mapping[Role, Sequence[str]], words: Mapping[str, str], timezone: str, now: datetime
) -> StageRow | WrongRow:
    """One line, understood."""
    who = named_by(told.get(Role.PERSON, ()), told.get(Role.EMAIL, ()))
    if who is None:
        given = [*told.get(Role.EMAIL, ()), *told.get(Role.PERSON, ())]
        return WrongRow(line, Wrong.NOBODY, "".join(given[:1])[:MOST_NAME])
    text = "".join(told.get(Role.STAGE, ()))
    if not text:
        return WrongRow(line, Wrong.NO_STAGE, who.text)
    stage = words.get(plain(text))
    if stage is None:
        return WrongRow(line, Wrong.UNKNOWN_STAGE, text[:MOST_NAME])
    date = "".join(told.get(Role.AT, ()))
    at = instant_of(date, timezone) if date else None
    if date and at is None:
        return WrongRow(line, Wrong.BAD_DATE, date[:MOST_NAME])
    if at is not None and at > now:
        return WrongRow(line, Wrong.FUTURE, date[:MOST_NAME])
    return StageRow(line, who, stage, at)


def named_by(ids: Sequence[str], emails: Sequence[str]) -> Named | None:
    """Whom these cells name; None: nobody."""
    contact_id = next((one for one in ids if CONTACT_ID.fullmatch(one)), "")
    crm_id = next((one for one in ids if not CONTACT_ID.fullmatch(one) and len(one) <= MOST_NAME), "")
    email = next((found for one in emails if len(one) <= 320 and (found := email_of(one))), "")
    return Named(contact_id, crm_id, email) if contact_id or crm_id or email else None


def instant_of(text: str, timezone: str) -> datetime | None:
    """A day, or a day and a time, in a zone unless it says its own offset; None for what is none.

    Only dates that begin with the year are taken: 4/5 is in May for some and in April for others.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    day = DAY.match(text)
    if day is None:
        return None
    clock = CLOCK.fullmatch(text[day.end() :]) if text[day.end() :] else None
    if text[day.end() :] and clock is None:
        return None
    year, month, date = (int(part) for part in day.groups())
    hour, minute, second = (int(part or 0) for part in clock.group(1, 2, 3)) if clock else (0, 0, 0)
    offset = clock.group(4) if clock else None
    try:
        its_zone = datetime.strptime(offset, "%z").tzinfo if offset else zone(timezone)
        found = datetime(year, month, date, hour, minute, second, tzinfo=its_zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found >= EPOCH else None
