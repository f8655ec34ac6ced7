"""(pure) How a deal stood, from each change on until the next: what a report asks of a past day.

A state begins when its change happened. Two beginnings are known better: an open deal that is told of for the first
time has stood so since it was created, and a deal is won or lost on the closing date that comes with those words, so
that deals which are told of late stand where they stood. A closing date that is corrected afterwards begins a state of
its own, with the new date: what was reported of a past day stays so, and what is reported from then on has the date
that the deal's sale has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from tracker.deals.ledger import Deal
from tracker.vocabulary import DealStatus


@dataclass(frozen=True, slots=True)
class State:
    """How a deal stood in [from_at, to_at); to_at None: it stands so now.

    pipeline, stage  '' where the CRM named none
    stage_at         since when it has been in this stage of this pipeline, open or closed; coming back begins anew
    closed_at        when it was won or lost, as far as was known in this state; None for an open deal
    """

    from_at: datetime
    to_at: datetime | None
    stage_at: datetime
    pipeline: str
    stage: str
    status: DealStatus
    amount_minor: int
    currency: str
    probability_bp: int | None
    lost_reason: str | None
    closed_at: datetime | None

    @property
    def place(self) -> tuple[str, str, bool]:
        """What a stay is in: pipeline, stage, and whether the deal is open."""
        return self.pipeline, self.stage, self.status is DealStatus.OPEN


SAME = tuple(one.name for one in fields(State) if one.name not in {"from_at", "to_at", "stage_at"})


def states_of(deals: Sequence[Deal]) -> tuple[State, ...]:
    """The states of a deal, one after the other without a gap, no two that follow each other alike.

    deals  the deal after each of its changes, in their order (ledger.replay); at least one
    """
    found: list[State] = []
    before: Deal | None = None
    for deal in deals:
        state = begun(deal, begins_at(before, deal, found[-1].from_at if found else None))
        before = deal
        # What was said later of the same moment is what holds.
        if found and found[-1].from_at == state.from_at:
            found.pop()
        last = found[-1] if found else None
        if last is not None and alike(last, state):
            continue
        if last is not None:
            found[-1] = replace(last, to_at=state.from_at)
            if last.place == state.place:
                state = replace(state, stage_at=last.stage_at)
        found.append(state)
    if found[-1].to_at is not None:
        found[-1] = replace(found[-1], to_at=None)
    return tuple(found)


def begins_at(before: Deal | None, deal: Deal, earliest: datetime | None) -> datetime:
    """When the state that a change leads to began; never before the state that it follows."""
    at = deal.changed_at
    is_closing = deal.status is not DealStatus.OPEN and (before is None or before.status is not deal.status)
    if is_closing and deal.closed_at is not None:
        at = min(at, deal.closed_at)
    elif before is None:
        at = min(at, deal.created_at)
    return at if earliest is None else max(at, earliest)


def begun(deal: Deal, at: datetime) -> State:
    """A deal's state from a moment on."""
    return State(
        from_at=at,
        to_at=None,
        stage_at=at,
        pipeline=deal.pipeline or "",
        stage=deal.stage or "",
        status=deal.status,
        amount_minor=deal.amount_minor,
        currency=deal.currency,
        probability_bp=deal.probability_bp,
        lost_reason=deal.lost_reason,
        closed_at=deal.closed_at,
    )


def alike(one: State, other: State) -> bool:
    """Whether nothing but time tells two states apart."""
    return all(getattr(one, name) == getattr(other, name) for name in SAME)
