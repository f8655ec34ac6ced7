"""(pure) Figures shared over all deals together: what a model gives that knows no single deal.

Markov's global form shares every explained outcome by the removal effects of all channels, whether they were on its
path or not; so it has totals by channel and nothing behind one channel's figure. Whole units, exact at the totals; over
time a line is the growth of its running total, so a chart adds up to its table.
"""

from collections.abc import Iterator, Mapping

from tracker.attribution.models import MODELS
from tracker.attribution.terms import Terms
from tracker.errors import Invalid
from tracker.money import split, tie_number
from tracker.reports.table import Figures
from tracker.vocabulary import Model

# A bucket and the values of the dimensions; None for what no touch explains.
Key = tuple[str, tuple[str, ...] | None]


def check_single(model: Model) -> None:
    """Raise Invalid(field="model") for a model that knows no single deal."""
    if MODELS[model].is_global:
        raise Invalid(
            f"{model.value} shares all deals together and has no figure of a single one; open the total, or use markov",
            field="model",
        )


def shared(figures: Mapping[Key, Figures], terms: Terms) -> Iterator[tuple[Key, str, int]]:
    """Share what is explained anew: (key, figure, amount), what no touch explains as it is.

    figures  by bucket and channel, as any model of single paths has them; costs and visits are not among them
    terms    with the removal effects of all channels, and what experiments confirmed of them
    """
    places = weights_of(terms)
    ties = [tie_number("markov_global", name or "") for name, _ in places]
    running: dict[str, int] = {}
    for bucket in sorted({bucket for bucket, _ in figures}):
        explained: dict[str, int] = {}
        for (_, values), own in ((key, own) for key, own in figures.items() if key[0] == bucket):
            for figure, amount in amounts_of(own):
                if values is None:
                    yield (bucket, None), figure, amount
                else:
                    explained[figure] = explained.get(figure, 0) + amount
        for figure, amount in explained.items():
            before = running.get(figure, 0)
            running[figure] = before + amount
            weights = [weight for _, weight in places]
            parts = zip(split(before + amount, weights, ties), split(before, weights, ties), strict=True)
            for (name, _), (later, earlier) in zip(places, parts, strict=True):
                yield (bucket, None if name is None else (name,)), figure, later - earlier


def weights_of(terms: Terms) -> list[tuple[str | None, int]]:
    """What each channel weighs, and nobody (None): what an experiment did not confirm; all, where nothing has an
    effect."""
    effects = [(name, effect) for name, effect in sorted(terms.effects.items()) if effect]
    scaled = [(name, effect * terms.measured.get(name, 100)) for name, effect in effects]
    rest = max(0, 100 * sum(effect for _, effect in effects) - sum(effect for _, effect in scaled))
    return [*scaled, (None, rest if effects else 1)]


def amounts_of(own: Figures) -> Iterator[tuple[str, int]]:
    """The figures of a row that are not 0, by name."""
    for name in Figures.__slots__:
        if amount := getattr(own, name):
            yield name, amount
