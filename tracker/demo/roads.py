"""(pure) The roads on which the demo's people come: what opens, what follows, what is the last before they say who they
are.

Social networks, video and assistants open; brand search, mails and direct visits close. So first touch, last touch and
linear tell different stories of the same deals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tracker.demo.ways import table


@dataclass(frozen=True, slots=True)
class Road:
    """One kind of road.

    weight  how many people take it, in parts
    chance  how likely it ends in a deal, in parts of the luck of others
    end     'contact' | 'seminar' (a form on that page), 'call' | 'chat' (told by those tools), 'booth' (met there
            first, a form later), 'crm' (sales knew them; no visit is known)
    steps   visits in order, each one of some of ways.WAYS
    """

    weight: int
    chance: float
    end: str
    steps: tuple[tuple[str, ...], ...]


def _road(row: Mapping[str, str]) -> Road:
    steps = tuple(tuple(step.split()) for step in row["steps"].split(">") if step)
    return Road(int(row["weight"]), float(row["chance"]), row["end"], steps)


ROADS = tuple(map(_road, table("roads.csv")))


def deal_out(random: Random, n: int) -> list[Road]:
    """The roads of n people, each road as often as its weight says, in any order."""
    total = sum(road.weight for road in ROADS)
    dealt: list[Road] = []
    before = 0
    for road in ROADS:
        after = before + road.weight
        dealt += [road] * (round(n * after / total) - round(n * before / total))
        before = after
    random.shuffle(dealt)
    return dealt
