"""(pure) What changed from one period to another, and which sources made it change.

The parts of a change add up to it exactly: figures are integers (minor units, millionths of a conversion), each part is
the difference of one key, and what is not shown by name stands together in one last part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A row of a report: the values of its dimensions; None for what no touch explains.
Values = tuple[str, ...] | None
MOST_PARTS = 5


@dataclass(frozen=True, slots=True)
class Part:
    """What one source contributed to a change.

    values   the row's; None: what no touch explains; (): several rows together
    n        of how many rows: more than one only of those that stand together
    """

    values: Values
    n: int
    before: int
    after: int

    @property
    def delta(self) -> int:
        """By how much it changed the whole."""
        return self.after - self.before

    @property
    def is_rest(self) -> bool:
        """Whether several rows stand together."""
        return self.values == ()


def parts_of(before: Mapping[Values, int], after: Mapping[Values, int], most: int = MOST_PARTS) -> tuple[Part, ...]:
    """What made a figure change, the greatest change first, up or down; equal ones by name.

    before, after  the figure by row, in the earlier and in the later period; a row that is missing had 0
    most           how many rows are named; all others stand together at the end, unless it is only one more
    returns        parts whose deltas add up to sum(after) - sum(before); rows without a change are left out of the
                   named ones, and stand in no part
    """
    parts = [Part(key, 1, before.get(key, 0), after.get(key, 0)) for key in {**before, **after}]
    moved = sorted(
        (part for part in parts if part.delta),
        key=lambda part: (-abs(part.delta), part.values is None, part.values or ()),
    )
    if len(moved) <= most + 1:
        return tuple(moved)
    rest = moved[most:]
    together = Part((), len(rest), sum(one.before for one in rest), sum(one.after for one in rest))
    return (*moved[:most], together)


def summed(figures: Iterable[tuple[Values, int]], places: tuple[int, ...]) -> dict[Values, int]:
    """A figure by some of a report's dimensions: the rows that agree in these places added up."""
    found: dict[Values, int] = {}
    for values, amount in figures:
        key = None if values is None else tuple(values[place] for place in places)
        found[key] = found.get(key, 0) + amount
    return found
