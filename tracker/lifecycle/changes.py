"""Which changes of stage follow from all that was told of a person and from the deals they won.

Pure: the same words and wins give the same changes, in whatever order they arrived.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tracker.vocabulary import Stage, StageCause

RANK: dict[str, int] = {stage: rank for rank, stage in enumerate(Stage)}
# Whom a won deal makes nothing more of.
BEYOND_A_WIN = (Stage.CUSTOMER, Stage.EVANGELIST)


@dataclass(frozen=True, slots=True)
class Word:
    """Somebody said that a person is in a stage.

    own_id  of which record they said it: a contact has several while others are merged into it
    by      who: 'crm', 'user alice@acme.example'
    """

    at: datetime
    stage: str
    cause: StageCause
    by: str
    own_id: str


@dataclass(frozen=True, slots=True)
class Win:
    """A deal that names the person is won, since then."""

    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Change:
    """A person came from one stage (None: nobody had told of any) into another."""

    at: datetime
    before: str | None
    stage: str
    cause: StageCause
    by: str


def changes_of(words: Iterable[Word], wins: Iterable[Win] = ()) -> list[Change]:
    """The changes of one person's stage, in order of time.

    The stage that stands already is no change. Of one instant the earlier stage comes first, and a win last. A win
    makes a customer of whoever is none then, nor an evangelist. A CRM that only repeats itself says nothing: what a
    user or a deal made of the person since then stands.
    """
    found: list[Change] = []
    for word in in_order([*news_of(words), *(won(win) for win in set(wins))]):
        before = found[-1].stage if found else None
        is_idle = before == word.stage or (word.cause is StageCause.DEAL and before in BEYOND_A_WIN)
        if not is_idle:
            found.append(Change(word.at, before, word.stage, word.cause, word.by))
    return found


def news_of(words: Iterable[Word]) -> list[Word]:
    """These words in order, without those with which a CRM repeats what it said of the same record before."""
    found: list[Word] = []
    said: dict[str, str] = {}
    for word in in_order(words):
        if word.cause is StageCause.CRM:
            if said.get(word.own_id) == word.stage:
                continue
            said[word.own_id] = word.stage
        found.append(word)
    return found


def won(win: Win) -> Word:
    """What a win says of a person whom its deal names."""
    return Word(win.at, Stage.CUSTOMER, StageCause.DEAL, win.reference, "")


def in_order(words: Iterable[Word]) -> list[Word]:
    """By time; within an instant a win last, else by stage, so that the order of arrival is of no matter."""
    return sorted(
        words,
        key=lambda word: (
            word.at,
            word.cause is StageCause.DEAL,
            RANK.get(word.stage, len(RANK)),
            word.cause,
            word.by,
            word.own_id,
        ),
    )
