"""(pure) Every metric and dimension of the reports: its key, unit, name and definition.

Pages, exports and the docs take them from here. Names and definitions are English gettext messages, marked by
`message` for the extraction; the reader's language is the edge's business.
"""

from dataclasses import dataclass
from enum import StrEnum

from tracker.vocabulary import Basis, ConversionKind, Dimension


class Unit(StrEnum):
    """What a metric's number is: COUNT a whole number, CREDIT a number that models share out, MONEY minor units of
    the report's currency, PRICE money for one of something, RATIO a quotient; both are empty when undefined."""

    COUNT = "count"
    CREDIT = "credit"
    MONEY = "money"
    PRICE = "price"
    RATIO = "ratio"

    @property
    def is_money(self) -> bool:
        """Whether it is minor units of the report's currency."""
        return self in {Unit.MONEY, Unit.PRICE}

    @property
    def is_quotient(self) -> bool:
        """Whether it is divided out of others, and so has no rows of its own behind it."""
        return self in {Unit.PRICE, Unit.RATIO}


def message(text: str) -> str:
    """Mark a text for translation; it is returned as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of figures. `label` and `definition` are gettext messages."""

    key: str
    unit: Unit
    label: str
    definition: str


@dataclass(frozen=True, slots=True)
class DimensionEntry:
    """One way to split a report. `has_cost` tells whether costs name it; those that do not stand under (not set)."""

    key: Dimension
    label: str
    definition: str
    has_cost: bool


METRICS = (
    Metric(
        "visits",
        Unit.COUNT,
        message("Visits"),
        message("Visits that began in the period, bots left out."),
    ),
    Metric(
        "visitors",
        Unit.COUNT,
        message("Visitors"),
        message(
            "Different browsers among those visits. Who came by two sources stands in both rows and once in the total."
        ),
    ),
    Metric("form", Unit.CREDIT, message("Forms"), message("Forms sent by people who could be named.")),
    Metric(
        "call",
        Unit.CREDIT,
        message("Calls"),
        message("Phone calls. One of somebody who cannot be named counts for the visitor's source."),
    ),
    Metric("chat", Unit.CREDIT, message("Chats"), message("Chats with people who could be named.")),
    Metric(
        "offline",
        Unit.CREDIT,
        message("Offline"),
        message("Contacts off the web: a booth, a seminar, an imported event."),
    ),
    Metric(
        "lead_events",
        Unit.CREDIT,
        message("Lead events"),
        message("Forms, calls, chats and offline contacts together; one person can cause several."),
    ),
    Metric(
        "new_leads",
        Unit.CREDIT,
        message("New leads"),
        message("People who could be named for the first time; each person once."),
    ),
    Metric(
        "mql",
        Unit.CREDIT,
        message("MQL"),
        message("People who became marketing qualified leads for the first time; each person once."),
    ),
    Metric(
        "sql",
        Unit.CREDIT,
        message("SQL"),
        message("People who became sales qualified leads for the first time; each person once."),
    ),
    Metric("deals", Unit.CREDIT, message("Opportunities"), message("Deals that were created in the CRM.")),
    Metric(
        "sales",
        Unit.CREDIT,
        message("Sales"),
        message("Deals won, on the day they closed; a win that was taken back is no sale."),
    ),
    Metric(
        "customers",
        Unit.CREDIT,
        message("Customers"),
        message("People who became customers: the CRM said so, or a deal that names them was won. Each person once."),
    ),
    Metric(
        "revenue",
        Unit.MONEY,
        message("Revenue"),
        message(
            "What deals brought: the sum of their ledger entries, wins, amendments and refunds, each at its day's rate."
        ),
    ),
    Metric(
        "cost",
        Unit.MONEY,
        message("Cost"),
        message("What was paid for the source, as imported, each day at its own rate."),
    ),
    Metric(
        "cost_per_lead",
        Unit.PRICE,
        message("Cost per lead"),
        message("Cost / new leads. Empty where there is no cost or no lead."),
    ),
    Metric(
        "cost_per_mql",
        Unit.PRICE,
        message("Cost per MQL"),
        message("Cost / MQL. Empty where there is no cost or no MQL."),
    ),
    Metric(
        "cost_per_sql",
        Unit.PRICE,
        message("Cost per SQL"),
        message("Cost / SQL. Empty where there is no cost or no SQL."),
    ),
    Metric(
        "cost_per_customer",
        Unit.PRICE,
        message("Cost per customer"),
        message("Cost / customers. Empty where there is no cost or no customer."),
    ),
    Metric(
        "roi",
        Unit.RATIO,
        message("ROI"),
        message("(Revenue - cost) / cost. Empty where there is no cost."),
    ),
    Metric(
        "roas",
        Unit.RATIO,
        message("ROAS"),
        message("Revenue / cost. Empty where there is no cost."),
    ),
)
METRIC = {metric.key: metric for metric in METRICS}
# What is shown where nobody chose columns: all would be more than anybody reads.
USUAL = (
    "visits",
    "visitors",
    "lead_events",
    "new_leads",
    "mql",
    "sql",
    "deals",
    "sales",
    "revenue",
    "cost",
    "cost_per_lead",
    "roi",
    "roas",
)

# Which kind of conversion a counted metric is.
COUNTED = {
    "form": ConversionKind.FORM,
    "call": ConversionKind.CALL,
    "chat": ConversionKind.CHAT,
    "offline": ConversionKind.OFFLINE,
    "new_leads": ConversionKind.LEAD,
    "mql": ConversionKind.MQL,
    "sql": ConversionKind.SQL,
    "customers": ConversionKind.CUSTOMER,
    "deals": ConversionKind.DEAL_CREATED,
    "sales": ConversionKind.DEAL_WON,
}

DIMENSIONS = (
    DimensionEntry(
        Dimension.CHANNEL,
        message("Channel"),
        message("The class of the visit's source, by the channel rules."),
        True,
    ),
    DimensionEntry(
        Dimension.SOURCE,
        message("Source"),
        message("Who sent the visit: utm_source, the network of a click id, or the referring site."),
        True,
    ),
    DimensionEntry(
        Dimension.MEDIUM,
        message("Medium"),
        message("By which kind of link: utm_medium, or cpc, organic, referral."),
        True,
    ),
    DimensionEntry(Dimension.CAMPAIGN, message("Campaign"), message("utm_campaign, as it came."), True),
    DimensionEntry(Dimension.TERM, message("Term"), message("utm_term: the keyword, as it came."), False),
    DimensionEntry(Dimension.CONTENT, message("Content"), message("utm_content: which ad or link, as it came."), False),
    DimensionEntry(
        Dimension.LANDING_PAGE,
        message("Landing page"),
        message("The page the visit began on, without its query."),
        False,
    ),
    DimensionEntry(
        Dimension.REFERRING_HOST,
        message("Referrer"),
        message("The host of the page that led to the visit."),
        False,
    ),
    DimensionEntry(
        Dimension.COUNTRY,
        message("Country"),
        message("From where the visit came, by its network address, which is not kept."),
        False,
    ),
    DimensionEntry(
        Dimension.DEVICE,
        message("Device"),
        message("The class of device: desktop, mobile, tablet or other."),
        False,
    ),
)
DIMENSION = {entry.key: entry for entry in DIMENSIONS}
COST_WORDS = frozenset(entry.key.value for entry in DIMENSIONS if entry.has_cost)

BASES = {
    Basis.ACTIVITY: message("By activity: every figure on its own day."),
    Basis.TOUCH_COHORT: message("By touch: all that the touches of the period led to, whenever it happened."),
    Basis.LEAD_COHORT: message("By lead: all about the people who became leads in the period."),
}

UNATTRIBUTED = message("Unattributed")

# What a report says about itself, by code; %(name)s is filled from the note.
NOTES = {
    "filtered": message(
        "Narrowed by filters: what no touch explains is left out, and the totals are the filters' own."
    ),
    "costs_unknown": message(
        "Costs do not know %(dimensions)s: under that filter they count only where (not set) is among what is asked."
    ),
    "direct_last_resort": message("Direct visits earn credit only when nothing else is on the path."),
    "touch_cohort": message(
        "Credit of the period's touches only: outcomes that no touch explains are left out, and what these touches "
        "will still lead to is not known yet. The cohort was %(days)s days old."
    ),
    "lead_cohort": message(
        "Visits and outcomes of the people who became leads in the period, whenever they happened; costs are those of "
        "the period."
    ),
    "unconverted": message("Amounts in %(currencies)s have no exchange rate and stand apart; they are in no figure."),
    "late_rates": message(
        "Exchange rates are known until %(last_day)s; later amounts were converted at the rates of that day."
    ),
    "by_company": message(
        "Deals that name no contact in the CRM: %(n)s. They were credited to the visits of their company's people."
    ),
    "data_driven": message(
        "Data-driven credit (association): it tells who was on the way of those who bought, not what they would have "
        "done without."
    ),
    "incremental": message(
        "Estimated incremental: what would have come without any touch is unattributed. It is an estimate, no "
        "experiment."
    ),
    "fitted": message("The model learned from the site's own paths: fit %(version)s."),
    "measured": message("Measured by experiment: %(channels)s. Of their credit, this is what was confirmed."),
    "earlier_period": message("Changes are against %(from_day)s to %(to_day)s, as a share of what was then."),
    "older_cohort": message("The earlier cohort has had more time to lead to something than this one."),
    "unconverted_before": message("Of the earlier period, amounts in %(currencies)s have no exchange rate."),
    "no_currency": message("The site has no currency yet: the first deal or cost will name one."),
    "no_probability": message(
        "Open deals without a probability: %(n)s. Neither the CRM told one nor has any deal been closed yet to measure "
        "it by; they are in no expected revenue."
    ),
    "measured_probability": message(
        "Where the CRM told no probability it is the share that was won of the deals that had been in the stage, or of "
        "all closed deals where fewer than ten of the stage have closed."
    ),
    "several_rules": message("Some visits were classed by older channel rules; `minamoto rebuild` classes them anew."),
}
