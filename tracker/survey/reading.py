"""(pure) Answers as files bring them: columns by name, English or Japanese; what cannot be read has a reason."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tracker.errors import Invalid
from tracker.ids import derive
from tracker.uploaded import UploadedRow, moment_of

MOST_COMMENT = 5_000
AHEAD = timedelta(days=1)


class Fault(StrEnum):
    """Why a row is no answer."""

    NO_SCORE = "no_score"
    NO_TIME = "no_time"
    AHEAD = "ahead"
    EMAIL_UNREADABLE = "email_unreadable"


@dataclass(frozen=True, slots=True)
class Answer:
    """How likely somebody is to recommend the company.

    reference   what the same answer has again: it is kept once
    email       lower-cased, '' where the answer names nobody; contact_id: of an invitation to a contact
    score       0 to 10
    """

    reference: str
    email: str
    score: int
    comment: str
    answered_at: datetime
    contact_id: str | None = None
    survey_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadAnswers:
    """What was read of a file; `refused`: how many rows were not, by reason; `lines`: each of these."""

    answers: tuple[Answer, ...]
    refused: Mapping[str, int]
    lines: tuple[tuple[int, Fault], ...]


COLUMNS = {
    "reference": ("id", "response id", "回答ID"),
    "email": ("e-mail", "email address", "メールアドレス", "Eメール"),
    "score": ("nps", "rating", "nps score", "スコア", "点数", "評価", "推奨度"),
    "comment": ("comments", "feedback", "reason", "コメント", "理由", "ご意見", "自由記述"),
    "answered_at": ("date", "time", "timestamp", "datetime", "submitted at", "日時", "日付", "回答日時", "回答日"),
}
NEEDED = ("score", "answered_at")


def from_rows(
    rows: Iterable[UploadedRow], timezone: str, now: datetime, email_of: Callable[[str], str | None]
) -> ReadAnswers:
    """The rows of a file (COLUMNS) as answers; days and times without an offset are in the site's zone."""
    found: list[Answer] = []
    refused: Counter[str] = Counter()
    lines: list[tuple[int, Fault]] = []
    for row in rows:
        read = row_answer(row, timezone, now, email_of)
        if isinstance(read, Fault):
            refused[read.value] += 1
            lines.append((row.line, read))
        else:
            found.append(read)
    return ReadAnswers(tuple(found), dict(refused), tuple(lines))


def row_answer(row: UploadedRow, timezone: str, now: datetime, email_of: Callable[[str], str | None]) -> Answer | Fault:
    """One row as an answer, or why it is none."""
    digits = unicodedata.normalize("NFKC", row.get("score")).strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 3 or not 0 <= int(digits) <= 10:
        return Fault.NO_SCORE
    address = row.get("email")
    email = email_of(address[:320]) if address else ""
    if email is None:
        return Fault.EMAIL_UNREADABLE
    try:
        at = moment_of(row.get("answered_at"), timezone)
    except Invalid:
        return Fault.NO_TIME
    if at > now + AHEAD:
        return Fault.AHEAD
    comment = comment_of(row.get("comment"))
    # Two rows of nobody at one time that say the same are one, unless they have ids.
    reference = row.get("reference")[:200] or derive("row", email, digits, at.isoformat(), comment)
    return Answer(reference, email, int(digits), comment, at)


def comment_of(text: str) -> str:
    """A comment as it is kept: lines ended by \\n, without what cannot be seen, at most MOST_COMMENT characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    seen = "".join(one for one in lines if one == "\n" or unicodedata.category(one) not in ("Cc", "Cs", "Cn"))
    return seen.strip()[:MOST_COMMENT]
