"""(pure) How long somebody was in each stage, from the changes of their stage."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class StageTime:
    """One person's time in one stage.

    n_entered         how often they came into it, at least 1
    first_entered_at  when for the first time
    entered_at        when for the last time
    exited_at         when they left it for the last time; None: they are in it
    this_time         from entered_at until exited_at, or until now
    in_all            all their stays in it together
    """

    stage: str
    n_entered: int
    first_entered_at: datetime
    entered_at: datetime
    exited_at: datetime | None
    this_time: timedelta
    in_all: timedelta


def stage_times(entered: Iterable[tuple[datetime, str]], now: datetime) -> list[StageTime]:
    """The time in each stage that somebody was in, in the order in which they first came into them.

    entered  (when, stage) of each change, in order of time
    now      until when the last stage is counted; before its beginning it counts nothing
    """
    steps = list(entered)
    ends = [*(at for at, _ in steps[1:]), None]
    found: dict[str, StageTime] = {}
    for (at, stage), end in zip(steps, ends, strict=False):  # nobody's end where there is no step
        stay = max((now if end is None else end) - at, timedelta())
        known = found.get(stage)
        found[stage] = StageTime(
            stage=stage,
            n_entered=known.n_entered + 1 if known else 1,
            first_entered_at=known.first_entered_at if known else at,
            entered_at=at,
            exited_at=end,
            this_time=stay,
            in_all=stay + (known.in_all if known else timedelta()),
        )
    return list(found.values())
