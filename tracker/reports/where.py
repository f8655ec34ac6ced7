"""(pure) Which values of its dimensions a report is narrowed to: `only_channel=email`, `not_device=mobile`.

Values of one parameter are alternatives; all parameters must be met. A touch, a visit or a cost that does not meet them
is in no figure, and what no touch explains meets none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tracker.errors import Invalid
from tracker.reports.catalogue import COST_WORDS
from tracker.vocabulary import NOT_SET, Dimension

ONLY, NOT = "only_", "not_"
# A parameter's dimension, and whether it excludes; in the order of the dimensions.
FILTERS = {f"{prefix}{name.value}": (name, prefix == NOT) for name in Dimension for prefix in (ONLY, NOT)}
MOST_VALUES = 20
LONGEST = 2_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which values of a dimension count: these, or all but these.

    values  as they are stored, 1 to MOST_VALUES, each once
    """

    dimension: Dimension
    values: tuple[str, ...]
    excludes: bool = False

    @property
    def parameter(self) -> str:
        """What it is called in an address."""
        return f"{NOT if self.excludes else ONLY}{self.dimension.value}"

    @property
    def is_of_costs(self) -> bool:
        """Whether costs know the dimension; of one that they do not, they have (not set)."""
        return self.dimension.value in COST_WORDS

    def takes(self, value: str) -> bool:
        """Whether a value counts."""
        return (value in self.values) != self.excludes


Where = tuple[Filter, ...]


def parse_where(given: Mapping[str, str | Sequence[str]]) -> Where:
    """The filters among a request's parameters, in the order of the dimensions; raises Invalid(field=…)."""
    found = []
    for parameter, (dimension, excludes) in FILTERS.items():
        values = listed(given.get(parameter, ()))
        if len(values) > MOST_VALUES:
            raise Invalid(f"{len(values)} values; give at most {MOST_VALUES}", field=parameter)
        for value in values:
            if len(value) > LONGEST:
                raise Invalid("is longer than any value", field=parameter)
        if values:
            found.append(Filter(dimension, values, excludes))
    return tuple(found)


def listed(given: str | Sequence[str]) -> tuple[str, ...]:
    """What a parameter says, given once or more often: each value once, without empty ones."""
    texts = (given,) if isinstance(given, str) else given
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


def meets(where: Where, words: Mapping[str, str]) -> bool:
    """Whether the words of a touch, by dimension, meet all filters."""
    return all(one.takes(words[one.dimension.value]) for one in where)


def costs_meet(where: Where) -> bool:
    """Whether costs may meet the filters by dimensions that they do not know, and so have as (not set)."""
    return all(one.takes(NOT_SET) for one in where if not one.is_of_costs)


def unknown_to_costs(where: Iterable[Filter]) -> tuple[Dimension, ...]:
    """The dimensions of filters that costs do not know, each once."""
    return tuple(dict.fromkeys(one.dimension for one in where if not one.is_of_costs))
