"""Which changes of stage follow from all that was told of somebody, from the deals they won and from rules.

Pure: the same words, wins and rules give the same changes, in whatever order they arrived. Of a person or a company.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tracker.clock import from_ms
from tracker.lifecycle.rules import Firing
from tracker.lifecycle.stages import SHIPPED, Stages
from tracker.vocabulary import AUTOMATIC, Stage, StageCause

# What of one instant comes after the rest.
LAST = {StageCause.DEAL: 1, StageCause.COMPANY: 2}


@dataclass(frozen=True, slots=True)
class Word:
    """Somebody said, or something says, that a person is in a stage.

    own_id  of which record they said it: a contact has several while others are merged into it
    by      who: 'crm', 'user alice@acme.example', a rule's name
    firing  of a rule that speaks; version and evidence: of one that spoke once, as it was kept
    """

    at: datetime
    stage: str
    cause: StageCause
    by: str
    own_id: str
    firing: Firing | None = None
    version: int | None = None
    evidence: tuple[tuple[int | str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Win:
    """A deal that names the person is won, since then."""

    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Change:
    """A person came from one stage (None: nobody had told of any) into another.

    firing  of the rule that moved them; version, evidence: of what a rule decided and is kept
    """

    at: datetime
    before: str | None
    stage: str
    cause: StageCause
    by: str
    firing: Firing | None = None
    version: int | None = None
    evidence: tuple[tuple[int | str, ...], ...] = ()


def changes_of(
    words: Iterable[Word], wins: Iterable[Win] = (), firings: Iterable[Firing] = (), stages: Stages = SHIPPED
) -> list[Change]:
    """The changes of one person's stage, in order of time.

    The stage that stands already is no change. Of one instant the earlier stage comes first, and a win last. A win
    makes a customer of whoever is none then, nor more. Rules and companies move forward only. A CRM that only repeats
    itself says nothing: what a user, a deal or a rule made of the person since then stands.
    """
    found: list[Change] = []
    told = [*news_of(words, stages), *(won(win) for win in set(wins)), *(spoken(one) for one in firings)]
    for word in in_order(told, stages):
        last = found[-1] if found else None
        before = last.stage if last else None
        if before != word.stage and not (word.cause in AUTOMATIC and is_idle(word, last, stages)):
            told_by = (word.cause, word.by, word.firing, word.version, word.evidence)
            found.append(Change(word.at, before, word.stage, *told_by))
    return found


def is_idle(word: Word, last: Change | None, stages: Stages) -> bool:
    """Whether automation leaves somebody where they are."""
    before = last.stage if last else None
    if word.cause is StageCause.DEAL:
        return before in stages.beyond_a_win
    if word.stage not in stages or before == Stage.OTHER or stages.rank(before) >= stages.rank(word.stage):
        return True
    if word.firing is None:
        return False
    from_stages = word.firing.rule.from_stages
    if from_stages and before not in from_stages:
        return True
    # Who was sent back comes again when they do something, not because a version came into force.
    return word.firing.has_begun and last is not None and went_back(last, stages)


def went_back(change: Change, stages: Stages) -> bool:
    """Whether a change led to an earlier stage."""
    return change.before is not None and stages.rank(change.stage) < stages.rank(change.before)


def news_of(words: Iterable[Word], stages: Stages = SHIPPED) -> list[Word]:
    """These words in order, without those with which a CRM repeats what it said of the same record before."""
    found: list[Word] = []
    said: dict[str, str] = {}
    for word in in_order(words, stages):
        if word.cause is StageCause.CRM:
            if said.get(word.own_id) == word.stage:
                continue
            said[word.own_id] = word.stage
        found.append(word)
    return found


def won(win: Win) -> Word:
    """What a win says of a person whom its deal names."""
    return Word(win.at, Stage.CUSTOMER, StageCause.DEAL, win.reference, "")


def spoken(firing: Firing) -> Word:
    """What a rule says."""
    return Word(from_ms(firing.at), firing.rule.stage, StageCause.RULE, firing.rule.name, "", firing, firing.version)


def in_order(words: Iterable[Word], stages: Stages = SHIPPED) -> list[Word]:
    """By time; within an instant by stage, but a win after that and what a company's way says last.

    So the order of arrival is of no matter.
    """
    return sorted(
        words,
        key=lambda word: (
            word.at,
            LAST.get(word.cause, 0),
            stages.rank(word.stage),
            word.cause,
            word.by,
            word.own_id,
        ),
    )
