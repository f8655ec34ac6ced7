"""(pure) Whose a call may be, by the number that was called and the moment; and what several candidates share.

Exactly one visitor who held the number when the call began: it is that visitor's. Nobody did: those who held it last,
while it rests, for a number is kept in sight or in mind for a while. Several: nobody guesses; the call is credited to
what the sources of all of them have in common.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tracker.calls.pool import Origin
from tracker.vocabulary import NOT_SET, Traced


@dataclass(frozen=True, slots=True)
class Lease:
    """A visitor held a number from started_at on and before until_at, brought by that arrival."""

    visitor_id: str
    url: str
    referrer: str | None
    started_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a call when it is told.

    candidates  visitors who may have called: one where it is traced to a visitor, several where it is ambiguous
    """

    traced: Traced
    candidates: tuple[Lease, ...] = ()

    @property
    def visitor_id(self) -> str | None:
        """The visitor, if there is one alone."""
        return self.candidates[0].visitor_id if self.traced is Traced.VISITOR else None


def find(leases: Iterable[Lease], at: datetime, rest: timedelta) -> Found:
    """Who called, as far as the leases of the number that was called tell.

    at    when the call began
    rest  how long after a lease a call is still taken for its holder's, while nobody else holds the number
    """
    begun = [lease for lease in leases if lease.started_at <= at < lease.until_at + rest]
    held = [lease for lease in begun if at < lease.until_at]
    # Of one visitor the last lease tells what brought the visitor at that time.
    latest = {lease.visitor_id: lease for lease in sorted(held or begun, key=lambda lease: lease.started_at)}
    candidates = tuple(latest[visitor_id] for visitor_id in sorted(latest))
    if not candidates:
        return Found(Traced.UNKNOWN)
    return Found(Traced.VISITOR if len(candidates) == 1 else Traced.AMBIGUOUS, candidates)


def shared(origins: Sequence[Origin]) -> dict[str, str]:
    """What the candidates' origins share, as a touch of the call's own tells it; what they do not share is left out.

    Medium and campaign mean something only under their source, so they are shared only where the source is.
    """
    told: dict[str, str] = {}
    for name in ("channel", "source", "medium", "campaign"):
        values = {getattr(origin, name) for origin in origins}
        if len(values) == 1 and (name in ("channel", "source") or "source" in told):
            told[name] = values.pop()
    if "source" in told and "medium" not in told:
        told["medium"] = NOT_SET
    return told
