"""(pure) The figures of the scorecard: their keys, units, names and definitions, and whether more of one is better.

Their values are whole numbers of small units everywhere: counts and days as they are, money in minor units, shares and
ratios in ten-thousandths. So targets, bands and months are compared exactly.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import inf

from tracker.reports.catalogue import message

WHOLE = 10_000


class Unit(StrEnum):
    """What a figure's whole number is: COUNT things, DAYS, MONEY minor units of the site's currency; SHARE, RATIO and
    POINTS ten-thousandths (a share is shown in percent, a ratio as a quotient, points as -100 to 100)."""

    COUNT = "count"
    DAYS = "days"
    MONEY = "money"
    SHARE = "share"
    RATIO = "ratio"
    POINTS = "points"


class Phase(StrEnum):
    """The part of the scorecard that a figure stands in."""

    NURTURE = "nurture"
    CONVERT = "convert"
    EXPAND = "expand"


class Better(StrEnum):
    """In which direction a figure is better; NEITHER for what is neither good nor bad by itself."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


# By how much a figure may move that never moved: one of what is counted, a hundredth of what is a share.
CAN_BE_LESS_THAN_NOTHING = ("revenue", "roi")
LEAST = {Unit.SHARE: WHOLE // 100, Unit.RATIO: WHOLE // 100, Unit.POINTS: WHOLE // 100}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the scorecard. `label` and `definition` are gettext messages."""

    key: str
    phase: Phase
    unit: Unit
    better: Better
    label: str
    definition: str

    @property
    def ends(self) -> tuple[float, float]:
        """Between which values it can be at all."""
        if self.unit is Unit.POINTS:
            return -WHOLE, WHOLE
        if self.unit is Unit.SHARE:
            return 0, WHOLE
        return (-inf if self.key in CAN_BE_LESS_THAN_NOTHING else 0), inf

    @property
    def least(self) -> int:
        """By how much it may move where it never did: see bands.band_of."""
        return LEAST.get(self.unit, 1)


METRICS = (
    Metric(
        "new_leads",
        Phase.NURTURE,
        Unit.COUNT,
        Better.UP,
        message("New leads"),
        message("People who could be named for the first time in the month; each person once."),
    ),
    Metric(
        "reopened_leads",
        Phase.NURTURE,
        Unit.COUNT,
        Better.UP,
        message("Reopened leads"),
        message(
            "People who had gone back to an earlier stage or to “Other”, and came into a later stage again in the "
            "month, “Lead” or beyond; each person once a month."
        ),
    ),
    Metric(
        "nurture_open",
        Phase.NURTURE,
        Unit.SHARE,
        Better.UP,
        message("E-mail open rate"),
        message(
            "Nurture programmes: of the people to whom a mail of a programme was delivered in the month, the share who "
            "opened one of it in the month. Opens by machines are left out; still, opens are a hint and no proof."
        ),
    ),
    Metric(
        "nurture_click",
        Phase.NURTURE,
        Unit.SHARE,
        Better.UP,
        message("E-mail click rate"),
        message(
            "Nurture programmes: of the people to whom a mail of a programme was delivered in the month, the share who "
            "clicked in one of it in the month."
        ),
    ),
    Metric(
        "mql",
        Phase.NURTURE,
        Unit.COUNT,
        Better.UP,
        message("MQL"),
        message("People who became marketing qualified leads for the first time in the month; each person once."),
    ),
    Metric(
        "cost_per_mql",
        Phase.NURTURE,
        Unit.MONEY,
        Better.DOWN,
        message("Cost per MQL"),
        message("All costs of the month / MQL of the month. Empty where there is no cost or no MQL."),
    ),
    Metric(
        "sql",
        Phase.CONVERT,
        Unit.COUNT,
        Better.UP,
        message("SQL"),
        message("People who became sales qualified leads for the first time in the month; each person once."),
    ),
    Metric(
        "cost_per_sql",
        Phase.CONVERT,
        Unit.MONEY,
        Better.DOWN,
        message("Cost per SQL"),
        message("All costs of the month / SQL of the month. Empty where there is no cost or no SQL."),
    ),
    Metric(
        "customers",
        Phase.CONVERT,
        Unit.COUNT,
        Better.UP,
        message("New customers"),
        message("People who became customers for the first time in the month; each person once."),
    ),
    Metric(
        "cost_per_customer",
        Phase.CONVERT,
        Unit.MONEY,
        Better.DOWN,
        message("Cost per customer"),
        message("All costs of the month / new customers of the month. Empty where there is no cost or no customer."),
    ),
    Metric(
        "days_to_customer",
        Phase.CONVERT,
        Unit.DAYS,
        Better.DOWN,
        message("Days from lead to customer"),
        message("Of the new customers of the month: half of them took no more days than this from lead to customer."),
    ),
    Metric(
        "days_to_customer_p90",
        Phase.CONVERT,
        Unit.DAYS,
        Better.DOWN,
        message("Days from lead to customer (p90)"),
        message("Of the new customers of the month: nine in ten took no more days than this from lead to customer."),
    ),
    Metric(
        "cost",
        Phase.CONVERT,
        Unit.MONEY,
        Better.NEITHER,
        message("Cost"),
        message("All costs of the month, each day at its own rate."),
    ),
    Metric(
        "revenue",
        Phase.CONVERT,
        Unit.MONEY,
        Better.UP,
        message("Revenue"),
        message("What deals brought in the month: wins, amendments and refunds, each at its day's rate."),
    ),
    Metric(
        "roi",
        Phase.CONVERT,
        Unit.RATIO,
        Better.UP,
        message("ROI"),
        message("(Revenue - cost) / cost, both of the month. Empty where there is no cost."),
    ),
    Metric(
        "customer_open",
        Phase.EXPAND,
        Unit.SHARE,
        Better.UP,
        message("E-mail open rate, customers"),
        message("The same as the open rate of nurture programmes, of the programmes for customers."),
    ),
    Metric(
        "customer_click",
        Phase.EXPAND,
        Unit.SHARE,
        Better.UP,
        message("E-mail click rate, customers"),
        message("The same as the click rate of nurture programmes, of the programmes for customers."),
    ),
    Metric(
        "churn",
        Phase.EXPAND,
        Unit.SHARE,
        Better.DOWN,
        message("Churn rate"),
        message(
            "Of the people who stood in “Customer” or a later stage (but “Other”) when the month began, the share who "
            "no longer did when it ended. Empty where there were none."
        ),
    ),
    Metric(
        "company_churn",
        Phase.EXPAND,
        Unit.SHARE,
        Better.DOWN,
        message("Churn rate, companies"),
        message(
            "Of the companies that stood in “Customer” or a later stage (but “Other”) when the month began, the share "
            "that no longer did when it ended. Empty where there were none."
        ),
    ),
    Metric(
        "upsell_share",
        Phase.EXPAND,
        Unit.SHARE,
        Better.UP,
        message("Upsell share"),
        message("Revenue of upsell and cross-sell deals / all revenue, of the month. Empty where there is none."),
    ),
    Metric(
        "nps",
        Phase.EXPAND,
        Unit.POINTS,
        Better.UP,
        message("NPS"),
        message(
            "Of those who answered in the month: the share of 9 and 10, less the share of 0 to 6; of who answered "
            "twice the latest answer. From -100 to 100."
        ),
    ),
)
METRIC = {metric.key: metric for metric in METRICS}
