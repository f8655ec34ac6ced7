"""The words that are stored: every enumeration of the product, as lower-snake text.

Each value is what stands in the database, in the API and in exports; pages translate it at the edge.
docs/glossary.md explains them, and a test holds the two equal.
"""

from enum import StrEnum


class HitKind(StrEnum):
    """What a beacon or an API event reports."""

    PAGE = "page"
    FORM = "form"
    IDENTIFY = "identify"
    EVENT = "event"
    LEAVE = "leave"
    CALL = "call"
    CHAT = "chat"
    OFFLINE = "offline"


class Origin(StrEnum):
    """Who wrote a hit into the journal."""

    BROWSER = "browser"
    API = "api"
    LOG = "log"
    DEMO = "demo"


class TouchKind(StrEnum):
    """What kind of marketing contact a touchpoint is."""

    VISIT = "visit"
    CALL = "call"
    CHAT = "chat"
    OFFLINE = "offline"


class Channel(StrEnum):
    """The class of an arrival under a rule version; UNATTRIBUTED is a report's row, never stored."""

    DIRECT = "direct"
    CROSS_NETWORK = "cross_network"
    PAID_SHOPPING = "paid_shopping"
    PAID_SEARCH = "paid_search"
    PAID_SOCIAL = "paid_social"
    PAID_VIDEO = "paid_video"
    DISPLAY = "display"
    PAID_OTHER = "paid_other"
    ORGANIC_SHOPPING = "organic_shopping"
    ORGANIC_SOCIAL = "organic_social"
    ORGANIC_VIDEO = "organic_video"
    ORGANIC_SEARCH = "organic_search"
    AI_ASSISTANT = "ai_assistant"
    REFERRAL = "referral"
    EMAIL = "email"
    AFFILIATES = "affiliates"
    AUDIO = "audio"
    SMS = "sms"
    MOBILE_PUSH = "mobile_push"
    OFFLINE = "offline"
    UNASSIGNED = "unassigned"
    UNATTRIBUTED = "unattributed"


class IdentifierKind(StrEnum):
    """What names a contact for certain; a phone number is kept on the contact and joins nobody."""

    EMAIL = "email"
    CRM_ID = "crm_id"


class IdentificationKind(StrEnum):
    """What tied a contact to a visitor or to our books."""

    FORM = "form"
    IDENTIFY = "identify"
    CALL = "call"
    CHAT = "chat"
    OFFLINE = "offline"
    CRM = "crm"


class ConversionKind(StrEnum):
    """An outcome that earns credit. LEAD, MQL, SQL and CUSTOMER are people, once; the four before are events."""

    FORM = "form"
    CALL = "call"
    CHAT = "chat"
    OFFLINE = "offline"
    LEAD = "lead"
    MQL = "mql"
    SQL = "sql"
    CUSTOMER = "customer"
    DEAL_CREATED = "deal_created"
    DEAL_WON = "deal_won"


LEAD_EVENTS = (ConversionKind.FORM, ConversionKind.CALL, ConversionKind.CHAT, ConversionKind.OFFLINE)


class Traced(StrEnum):
    """How far a phone call could be followed back: to a visitor, to several, to the number's own source, nowhere."""

    VISITOR = "visitor"
    AMBIGUOUS = "ambiguous"
    NUMBER = "number"
    UNKNOWN = "unknown"


class DealStatus(StrEnum):
    """Where a deal stands."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class DealType(StrEnum):
    """What a deal is to the customer base."""

    NEW = "new"
    UPSELL = "upsell"
    CROSS_SELL = "cross_sell"
    RENEWAL = "renewal"


class Stage(StrEnum):
    """How far a person is on the way from visitor to customer, in order; the words are HubSpot's internal names."""

    SUBSCRIBER = "subscriber"
    LEAD = "lead"
    MQL = "marketingqualifiedlead"
    SQL = "salesqualifiedlead"
    OPPORTUNITY = "opportunity"
    CUSTOMER = "customer"
    EVANGELIST = "evangelist"
    OTHER = "other"


class StageCause(StrEnum):
    """What moved a person or a company to a stage.

    CRM, USER, IMPORT and API said so; DEAL: one of theirs was won; RULE: of a definition; COMPANY: theirs moved.
    """

    CRM = "crm"
    USER = "user"
    DEAL = "deal"
    IMPORT = "import"
    API = "api"
    RULE = "rule"
    COMPANY = "company"


# These move forward only, and say nothing where a stage as far or farther stands.
AUTOMATIC = (StageCause.DEAL, StageCause.RULE, StageCause.COMPANY)


class Scope(StrEnum):
    """Whose stage a rule, an action or a report is about: a person's or a company's."""

    CONTACT = "contact"
    COMPANY = "company"


class Side(StrEnum):
    """Who has to agree to a definition."""

    MARKETING = "marketing"
    SALES = "sales"


class FactKind(StrEnum):
    """What a rule can ask of a person: what they did, what was told of them, what their deals did."""

    PAGE = "page"
    FORM = "form"
    EVENT = "event"
    CALL = "call"
    CHAT = "chat"
    OFFLINE = "offline"
    TOUCH = "touch"
    MAIL = "mail"
    NPS = "nps"
    DEAL = "deal"
    PERSON = "person"
    ATTRIBUTE = "attribute"


class MailKind(StrEnum):
    """What became of one mail of a programme."""

    SENT = "sent"
    DELIVERED = "delivered"
    OPEN = "open"
    CLICK = "click"
    BOUNCE = "bounce"
    UNSUBSCRIBE = "unsubscribe"
    SPAM = "spam"


class Programme(StrEnum):
    """Whom a programme of mails is for: people who are to buy, or customers."""

    NURTURE = "nurture"
    CUSTOMER = "customer"


class ActionKind(StrEnum):
    """What is done when somebody comes into a stage."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    EMAIL = "email"
    CRM_TASK = "crm_task"
    SEGMENT = "segment"


class OutboxState(StrEnum):
    """Where something that has to leave stands: BURIED waits for a person; SKIPPED was found out too late."""

    WAITING = "waiting"
    SENT = "sent"
    BURIED = "buried"
    SKIPPED = "skipped"


class EntryKind(StrEnum):
    """Why the ledger of a deal moved."""

    WON = "won"
    AMENDED = "amended"
    REFUNDED = "refunded"
    LOST_AFTER_WON = "lost_after_won"
    REOPENED = "reopened"
    REDATED = "redated"


class CrmChangeKind(StrEnum):
    """What was told of people, companies and deals: what they are, how far they are; that two are one, or two."""

    CONTACT = "contact"
    DEAL = "deal"
    STAGE = "stage"
    MERGE = "merge"
    SPLIT = "split"
    COMPANY = "company"
    COMPANY_STAGE = "company_stage"


class Model(StrEnum):
    """The attribution models, named by formula (docs/attribution.md)."""

    FIRST = "first"
    LAST = "last"
    LAST_NON_DIRECT = "last_non_direct"
    LINEAR = "linear"
    TIME_DECAY = "time_decay"
    POSITION = "position"
    LEAD_U = "lead_u"
    LEAD_U_50 = "lead_u_50"
    W_SHAPE = "w_shape"
    FULL_PATH = "full_path"
    J_SHAPE = "j_shape"
    INVERSE_J = "inverse_j"
    CUSTOM = "custom"
    MARKOV = "markov"
    MARKOV_GLOBAL = "markov_global"
    SHAPLEY = "shapley"
    HAZARD = "hazard"


class PathScope(StrEnum):
    """Whose touches are on the path of a deal: its oldest contact's, all its contacts', all of their company's.

    From the narrowest to the widest.
    """

    CONTACT = "contact"
    DEAL = "deal"
    COMPANY = "company"


class Basis(StrEnum):
    """Which date puts a number into a period."""

    ACTIVITY = "activity"
    TOUCH_COHORT = "touch_cohort"
    LEAD_COHORT = "lead_cohort"


class Dimension(StrEnum):
    """What a report can be split by."""

    CHANNEL = "channel"
    SOURCE = "source"
    MEDIUM = "medium"
    CAMPAIGN = "campaign"
    TERM = "term"
    CONTENT = "content"
    LANDING_PAGE = "landing_page"
    REFERRING_HOST = "referring_host"
    COUNTRY = "country"
    DEVICE = "device"


class Device(StrEnum):
    """The class of device that a user agent names."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    TABLET = "tablet"
    OTHER = "other"


class Role(StrEnum):
    """What a user may do on a site, from most to least.

    OWNER: all, settings and users, too; ANALYST: everything but those; VIEWER: figures, no personal data.
    """

    OWNER = "owner"
    ANALYST = "analyst"
    VIEWER = "viewer"


class Audited(StrEnum):
    """What is written into the audit log."""

    USER = "user"
    MEMBER = "member"
    PASSWORD = "password"  # noqa: S105
    SITE = "site"
    TOKEN = "token"  # noqa: S105
    TRACKING = "tracking"
    NUMBERS = "numbers"
    POLICY = "policy"
    MERGE = "merge"
    SPLIT = "split"
    STAGE = "stage"
    COSTS = "costs"
    COST_RULES = "cost_rules"
    PIPELINE = "pipeline"
    VIEW = "view"
    DIGEST = "digest"
    EXPORT = "export"
    STAGES = "stages"
    DEFINITION = "definition"
    SIGN_OFF = "sign_off"
    SEGMENT = "segment"
    ACTION = "action"
    PROGRAMME = "programme"
    SURVEY = "survey"
    ACCOUNT = "account"
    TARGET = "target"


class Every(StrEnum):
    """How often a report goes out by mail."""

    WEEK = "week"
    MONTH = "month"


class AdPlatform(StrEnum):
    """Whose export a file of costs is."""

    GOOGLE_ADS = "google_ads"
    META_ADS = "meta_ads"
    MICROSOFT_ADS = "microsoft_ads"
    LINKEDIN_ADS = "linkedin_ads"
    YAHOO_ADS_SEARCH = "yahoo_ads_search"
    YAHOO_ADS_DISPLAY = "yahoo_ads_display"
    OWN = "own"


class CostFault(StrEnum):
    """Why a row of a file of costs cannot be taken."""

    NO_DAY = "no_day"
    DAY_UNREADABLE = "day_unreadable"
    DAY_UNCLEAR = "day_unclear"
    DAY_AHEAD = "day_ahead"
    DAYS_WRONG = "days_wrong"
    AMOUNT_UNREADABLE = "amount_unreadable"
    AMOUNT_UNCLEAR = "amount_unclear"
    AMOUNT_NEGATIVE = "amount_negative"
    AMOUNT_TOO_LARGE = "amount_too_large"
    NO_CURRENCY = "no_currency"
    CURRENCY_UNKNOWN = "currency_unknown"
    CURRENCIES_DIFFER = "currencies_differ"
    COUNT_UNREADABLE = "count_unreadable"
    NAME_TOO_LONG = "name_too_long"
    NO_SOURCE = "no_source"


class CostLeftOut(StrEnum):
    """Which lines of a file of costs are no rows."""

    ABOVE = "above"
    TOTAL = "total"
    NOTE = "note"
    NO_AMOUNT = "no_amount"


class Consent(StrEnum):
    """The consent state that a hit was sent under."""

    NONE = "none"
    GRANTED = "granted"


class Refusal(StrEnum):
    """Why a hit was not taken into the journal; counted by day and shown on the tracking page."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNKNOWN_SITE = "unknown_site"
    FOREIGN_HOST = "foreign_host"
    PREFETCH = "prefetch"
    OPTED_OUT = "opted_out"
    TOO_OLD = "too_old"
    NOT_A_PAGE = "not_a_page"
    NOT_SUCCESSFUL = "not_successful"
    DUPLICATE = "duplicate"
    BOT = "bot"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"


NOT_SET = "(not set)"
# The words that touches and paths carry flat, in the order of their columns.
FLAT = (
    "channel",
    "source",
    "medium",
    "campaign",
    "term",
    "content",
    "landing_page",
    "referring_host",
    "device",
    "country",
)
