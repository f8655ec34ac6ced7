"""(pure) The stages of a site's life cycle in their order: HubSpot's eight as shipped, or the site's own.

Which stage comes before which decides what automation may do: it moves forward only. The anonymous visitor is before
all of them, and no row: a visitor is nobody's stage.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tracker.errors import Invalid
from tracker.vocabulary import Stage

# HubSpot's internal names are lower-case letters; its custom stages are numbers.
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
MOST_STAGES = 30
LONGEST_LABEL = 80
# How many a site must keep: credit and the scorecard are made of them.
NEEDED = (Stage.LEAD, Stage.MQL, Stage.SQL, Stage.CUSTOMER)


@dataclass(frozen=True, slots=True)
class OwnStage:
    """One stage of a site. label: as the site calls it; None: the product's own word, in the reader's language."""

    name: str
    label: str | None = None


@dataclass(frozen=True)
class Stages:
    """All stages of a site, from the first to the last."""

    all: tuple[OwnStage, ...]

    def __post_init__(self) -> None:
        ranks = {one.name: rank for rank, one in enumerate(self.all)}
        object.__setattr__(self, "_ranks", ranks)

    @property
    def names(self) -> tuple[str, ...]:
        """The internal names in order."""
        return tuple(one.name for one in self.all)

    @property
    def beyond_a_win(self) -> frozenset[str]:
        """The stages of whom a won deal makes nothing more: customer, and what comes after it but for `other`."""
        if Stage.CUSTOMER not in self:
            return frozenset(self.names)
        since = self.rank(Stage.CUSTOMER)
        return frozenset(one for one in self.names if self.rank(one) >= since and one != Stage.OTHER)

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__["_ranks"]

    def rank(self, name: str | None) -> int:
        """The place of a stage; -1 for None; a stage that was taken away is behind all, like `other`."""
        if name is None:
            return -1
        ranks: dict[str, int] = self.__dict__["_ranks"]
        return ranks.get(name, len(ranks))

    def label(self, name: str) -> str | None:
        """What the site calls a stage; None: the product's own word."""
        return next((one.label for one in self.all if one.name == name), None)


def one_of_the_sites(stages: Stages, name: str) -> str:
    """The name of one of a site's stages; raises Invalid, naming those that it has."""
    if name not in stages:
        raise Invalid(f"{name[:40]!r} is none of the site's stages: {', '.join(stages.names)}", field="stage")
    return name


SHIPPED = Stages(tuple(OwnStage(stage.value) for stage in Stage))


def checked(all_: Iterable[OwnStage]) -> Stages:
    """These stages, if a site may have them; raises Invalid with the field and what is wrong."""
    found = tuple(OwnStage(one.name.strip(), (one.label or "").strip() or None) for one in all_)
    names = [one.name for one in found]
    if len(found) > MOST_STAGES:
        raise Invalid(f"{len(found)} stages; at most {MOST_STAGES}", field="stages")
    for one in found:
        if not NAME.fullmatch(one.name):
            raise Invalid(f"{one.name[:40]!r} is no name of a stage: a-z, 0-9 and _, at most 64", field="stages")
        if len(one.label or "") > LONGEST_LABEL:
            raise Invalid(f"a label has at most {LONGEST_LABEL} characters", field="stages")
    if double := next((name for name in names if names.count(name) > 1), None):
        raise Invalid(f"{double!r} is there twice", field="stages")
    if missing := [stage.value for stage in NEEDED if stage not in names]:
        raise Invalid(f"{', '.join(missing)} cannot be taken away: reports count them", field="stages")
    if [name for name in names if name in NEEDED] != [stage.value for stage in NEEDED]:
        raise Invalid("lead, MQL, SQL and customer keep their order", field="stages")
    return Stages(found)
