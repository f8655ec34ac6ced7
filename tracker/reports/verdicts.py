"""(pure) What one model makes of one path: per touch whether it may earn, its weight, its share, its money.

The plain forms of the models and of the split, one touch after the other, as somebody would do it by hand; the reports
do the same for all paths at once (crediting.py), and a property test holds the two together. Called by explain.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracker.attribution.credit import MICRO, changes, rest_tie
from tracker.attribution.milestones import held, names_of
from tracker.attribution.models import MODELS, Family, weigh
from tracker.attribution.standing import Standing, standings
from tracker.attribution.terms import Terms
from tracker.attribution.touches import Way
from tracker.money import split
from tracker.vocabulary import Model

# Why something is nobody's.
NO_TOUCH = "no_touch"
BASELINE = "baseline"
NOT_CONFIRMED = "not_confirmed"


@dataclass(frozen=True, slots=True)
class Booking:
    """A ledger entry in the report's currency; `amount_minor` is None where there is no rate: it is in no figure.

    currency  that of the entry: nets are taken currency by currency
    """

    amount_minor: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class Part:
    """What fell to a touch, or to nobody.

    weight        the model's, an integer >= 0; parts are shared in proportion to it
    share_micro   of the whole, in millionths; those of a path add up to a million
    amount_minor  of the ledger, in minor units of the report's currency
    by_entry      of each ledger entry; they add up to amount_minor
    """

    weight: int
    share_micro: int
    amount_minor: int
    by_entry: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a model makes of one touch. holds: the milestones that it stands at, in their order."""

    standing: Standing
    holds: tuple[str, ...]
    part: Part


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model makes of a path; without verdicts where it was never fitted, and `refusal` says why.

    label, formula  English gettext messages
    terms           what the model was told; None with a refusal
    earliest_ms     a touch earned only if it was later; None without a look-back
    nobody          what no touch explains, with the reasons: NO_TOUCH, BASELINE, NOT_CONFIRMED
    """

    model: Model
    label: str
    formula: str
    family: Family
    terms: Terms | None
    refusal: str | None
    earliest_ms: int | None
    verdicts: tuple[Verdict, ...]
    nobody: Part
    reasons: tuple[str, ...]


def judged(terms: Terms, way: Way, ties: Sequence[int], ledger: Sequence[Booking], earliest_ms: int | None) -> Judged:
    """What the terms' model makes of a path.

    way    with `earliest_ms` as the terms have it
    ties   per touch: what settles equal remainders (the rows of the path have it)
    """
    weights, rest = weigh(terms, way)
    total = sum(weights) + rest
    places, keys = [*weights, rest if total else 1], [*ties, rest_tie(ties)]
    shares = split(MICRO, places, keys)
    money = credits_of(ledger, places, keys)
    parts = [
        Part(weight, share, sum(amounts), tuple(amounts))
        for weight, share, amounts in zip([*weights, rest], shares, money, strict=True)
    ]
    found = standings(way, terms)
    holds = held_by(way, found)
    model = MODELS[terms.model]
    return Judged(
        model=model.name,
        label=model.label,
        formula=model.formula,
        family=model.family,
        terms=terms,
        refusal=None,
        earliest_ms=earliest_ms,
        verdicts=tuple(
            Verdict(standing, names, part) for standing, names, part in zip(found, holds, parts[:-1], strict=True)
        ),
        nobody=parts[-1],
        reasons=reasons_of(terms, rest, total),
    )


def refused(model: Model, why: str, n_entries: int) -> Judged:
    """A model that cannot be asked."""
    known = MODELS[model]
    nothing = Part(0, 0, 0, (0,) * n_entries)
    return Judged(model, known.label, known.formula, known.family, None, why, None, (), nothing, ())


def credits_of(ledger: Sequence[Booking], weights: Sequence[int], keys: Sequence[int]) -> list[list[int]]:
    """Per place what it gets of each entry: its share of the net after the entry less that of the net before it."""
    found = [[0] * len(ledger) for _ in weights]
    for currency in dict.fromkeys(one.currency for one in ledger):
        own = [i for i, one in enumerate(ledger) if one.currency == currency]
        before, after = changes([ledger[i].amount_minor or 0 for i in own])
        for entry, earlier, later in zip(own, before, after, strict=True):
            parts = zip(split(later, weights, keys), split(earlier, weights, keys), strict=True)
            for place, (new, old) in enumerate(parts):
                found[place][entry] = new - old
    return found


def held_by(way: Way, found: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Per touch the milestones that it stands at, among the touches that may earn."""
    numbers = [i for i, standing in enumerate(found) if standing is Standing.EARNS]
    places = held(replace(way, touches=[way.touches[i] for i in numbers]))
    return [names_of([name for name, place in places.items() if numbers[place] == i]) for i in range(len(way.touches))]


def reasons_of(terms: Terms, rest: int, total: int) -> tuple[str, ...]:
    """Why something is nobody's."""
    if not total:
        return (NO_TOUCH,)
    if not rest:
        return ()
    causes = {BASELINE: terms.hazard is not None and terms.hazard.baseline > 0, NOT_CONFIRMED: bool(terms.measured)}
    return tuple(name for name, applies in causes.items() if applies)
