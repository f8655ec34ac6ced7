"""(pure) How far the demo's people come, and their scores: what the CRM of the story says of them, step by step.

About half of the leads in the CRM are worth a call to marketing, of those every third to sales; whoever has a deal was
both. A deal that is won makes the customer, so no CRM need say that.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from tracker.vocabulary import Stage

MQL_IN_TEN = 5
SQL_IN_TEN = 3
BACK_IN_TEN = 2
# From which score to which people of a stage have.
SCORES = {
    Stage.LEAD: (5, 39),
    Stage.MQL: (40, 59),
    Stage.SQL: (60, 79),
    Stage.OPPORTUNITY: (80, 98),
}

Step = tuple[datetime, Stage, int]


def steps_of(random: Random, known_at: datetime, deal_at: datetime | None) -> Iterator[Step]:
    """What the CRM says of one lead, as (when, stage, score), in order of time, from when it knew them.

    deal_at  when their first deal was opened; None: they have none
    """
    yield known_at, Stage.LEAD, score(random, Stage.LEAD)
    if deal_at is not None:
        mql_at = known_at + timedelta(minutes=random.randrange(20, 120))
        sql_at = max(mql_at + timedelta(minutes=10), deal_at - timedelta(minutes=random.randrange(30, 240)))
        yield mql_at, Stage.MQL, score(random, Stage.MQL)
        yield sql_at, Stage.SQL, score(random, Stage.SQL)
        yield max(sql_at, deal_at) + timedelta(minutes=5), Stage.OPPORTUNITY, score(random, Stage.OPPORTUNITY)
        return
    if random.randrange(10) >= MQL_IN_TEN:
        return
    at = known_at + timedelta(days=random.choice((1, 2, 5, 7, 8, 14)))
    yield at, Stage.MQL, score(random, Stage.MQL)
    if random.randrange(10) < SQL_IN_TEN:
        yield at + timedelta(days=random.choice((1, 3, 7))), Stage.SQL, score(random, Stage.SQL)
    elif random.randrange(10) < BACK_IN_TEN:  # not ready after all
        yield at + timedelta(days=21), Stage.LEAD, score(random, Stage.LEAD)


def score(random: Random, stage: Stage) -> int:
    """A score of somebody in a stage, 0 to 100."""
    least, most = SCORES[stage]
    return random.randint(least, most)
