"""Every table, top to bottom, no behaviour: the data model is one read.

Three layers: the journals (hits, crm_changes, costs: what we were told, never derived), the dictionaries (sites, users,
tokens, visitors, user_agents) and the derived facts, which `minamoto rebuild` makes anew from the journals.
Instants are integer milliseconds since 1970 (UTC), days are 'YYYY-MM-DD' text in the site's zone, money is integer
minor units beside its currency. Text that reports group and sort by is COLLATE "C" on PostgreSQL, so that every engine
sorts alike.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import JSON

from tracker.db.columns import Instant, Serial, Word, arrival_columns, metadata, one_of, reach_columns
from tracker.db.dictionaries import (
    audit,
    checks,
    cost_drafts,
    cost_imports,
    cost_rules,
    digests,
    fits,
    leases,
    members,
    numbers,
    password_links,
    pipeline_stages,
    policies,
    pulse,
    replaced_costs,
    sites,
    spent_links,
    tokens,
    user_agents,
    users,
    views,
    visitors,
)
from tracker.db.lifecycle import (
    account_roles,
    accounts,
    actions,
    companies,
    company_changes,
    definitions,
    due,
    lifecycles,
    mail_events,
    mail_links,
    mail_programmes,
    nps_answers,
    outbox,
    segment_people,
    segments,
    sign_offs,
    site_stages,
    stage_changes,
    stage_drafts,
    surveys,
    targets,
)
from tracker.vocabulary import (
    ConversionKind,
    CrmChangeKind,
    DealStatus,
    DealType,
    EntryKind,
    HitKind,
    IdentificationKind,
    IdentifierKind,
    Origin,
    TouchKind,
    Traced,
)

IS_BOT, HAS_CONTACT = text("bot IS NOT NULL"), text("contact_id IS NOT NULL")

__all__ = [
    "account_roles",
    "accounts",
    "actions",
    "audit",
    "calls",
    "checks",
    "companies",
    "company_changes",
    "contacts",
    "conversions",
    "cost_drafts",
    "cost_imports",
    "cost_rules",
    "costs",
    "crm_changes",
    "deal_contacts",
    "deal_entries",
    "deal_states",
    "deals",
    "definitions",
    "digests",
    "due",
    "engagements",
    "fits",
    "hits",
    "hits_parked",
    "hits_waiting",
    "identifications",
    "identifiers",
    "leases",
    "lifecycles",
    "links",
    "mail_events",
    "mail_links",
    "mail_programmes",
    "members",
    "merges",
    "metadata",
    "nps_answers",
    "numbers",
    "outbox",
    "password_links",
    "paths",
    "pipeline_stages",
    "policies",
    "pulse",
    "recredited",
    "refusals",
    "replaced_costs",
    "retention",
    "segment_people",
    "segments",
    "sign_offs",
    "site_stages",
    "sites",
    "spent_links",
    "stage_changes",
    "stage_drafts",
    "surveys",
    "targets",
    "tokens",
    "touchpoints",
    "user_agents",
    "users",
    "views",
    "visit_hits",
    "visitors",
    "visits",
]

# --- journals -------------------------------------------------------------------------------------------------------

hits = Table(
    "hits",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("hit_id", Text, nullable=False),  # UUIDv7 made by the sender: a retry is the same hit
    Column("visitor_id", Text),  # empty for an event that only names a contact
    Column("kind", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("url", Text, nullable=False),
    Column("referrer", Text),
    Column("title", Text),
    Column("user_agent", Text),
    Column("country", Text),  # from the address, which is not kept
    Column("consent", Text, nullable=False),
    Column("details", JSON, nullable=False),  # form, identifiers, name, props; an API event's contact and source
    # Ascending with time, so the index grows at its right edge; no index by visitor here (visit_hits has it).
    UniqueConstraint("site_id", "hit_id"),
    Index(None, "site_id", "received_at"),  # the tracking page counts the day; grows at its right edge, too
    one_of("kind", HitKind),
    one_of("origin", Origin),
)

# Which hits are not folded yet. A row is written with its hit and deleted by the transaction that folds it, so a hit
# whose transaction commits late is folded late, and never missed, as it would be by a cursor over seq.
hits_waiting = Table(
    "hits_waiting",
    metadata,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), ForeignKey("hits.seq"), primary_key=True),
)

# Hits whose fold failed, found and set aside so that the others go on; `minamoto rebuild` tries them again.
hits_parked = Table(
    "hits_parked",
    metadata,
    Column(
        "seq",
        BigInteger().with_variant(Integer(), "sqlite"),
        ForeignKey("hits.seq", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("error", Text, nullable=False),  # the name of the error's class; its text may quote a visitor
)

refusals = Table(
    "refusals",
    metadata,
    Column("site_id", Integer, primary_key=True, autoincrement=False),  # 0: the site was not known
    Column("day", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("n", BigInteger, nullable=False),
)

# How far back each site's journal goes. A site without a row has its whole journal.
retention = Table(
    "retention",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("horizon_at", Instant, nullable=False),  # hits from before it are refused; it only moves forward
    # How far visits are sealed, in order of (started_at, visit_id); and the first that still went on meanwhile.
    Column("swept_at", Instant, nullable=False),
    Column("swept_id", Text, nullable=False),
    Column("open_at", Instant),
    Column("swept_seq", BigInteger, nullable=False),  # how far hits that are in no visit are looked through
    Column("n_pruned", BigInteger, nullable=False),
)

crm_changes = Table(
    "crm_changes",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),  # the deal's reference, the contact's id; of two the one that is merged
    Column("payload", JSON, nullable=False),  # the accepted fields, as given
    Column("changed_at", Instant, nullable=False),  # when it happened in the CRM
    Column("received_at", Instant, nullable=False),
    Index(None, "site_id", "kind", "key"),  # a deal's history is read at each of its changes
    one_of("kind", CrmChangeKind),
)

costs = Table(
    "costs",
    metadata,
    Column("cost_id", Text, primary_key=True),  # derived from the key below: the same day and campaign is replaced
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("day", Text, nullable=False),
    # As they were told, which name the row; and what the site calls them by its rules (cost_rules).
    Column("told_source", Word, nullable=False),
    Column("told_medium", Word, nullable=False),
    Column("told_campaign", Word, nullable=False),
    Column("channel", Word, nullable=False),
    Column("source", Word, nullable=False),
    Column("medium", Word, nullable=False),
    Column("campaign", Word, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("clicks", BigInteger),
    Column("impressions", BigInteger),
    Column("updated_at", Instant, nullable=False),
    Column("import_id", Text),  # the file that told it last (cost_imports); empty: a program or a user did
    UniqueConstraint("site_id", "day", "told_source", "told_medium", "told_campaign"),
    CheckConstraint("amount_minor >= 0", name="amount"),
    Index(None, "import_id"),  # what of a file still stands
)

# --- derived: visits and touchpoints --------------------------------------------------------------------------------

visits = Table(
    "visits",
    metadata,
    Column("visit_id", Text, primary_key=True),  # derived from the first hit's id
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("visitor_no", ForeignKey("visitors.visitor_no"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("n_hits", Integer, nullable=False),
    Column("n_pages", Integer, nullable=False),
    Column("bot", Text),  # which crawler it was: the visit is kept and shown, and is no touchpoint
    # Its page views are, or will be, gone from the journal: it stands as it is, also through a rebuild.
    Column("sealed", Boolean, nullable=False, server_default=false()),
    Index(None, "site_id", "started_at"),  # old visits are sealed in order
    # The crawlers of the last days are counted, each time the overview is looked at.
    Index("ix_visits_bots", "site_id", "started_at", sqlite_where=IS_BOT, postgresql_where=IS_BOT),
    Index(None, "visitor_no", "started_at"),  # the fold looks up a visitor's last visits
)

visit_hits = Table(
    "visit_hits",
    metadata,
    Column("hit_seq", BigInteger().with_variant(Integer(), "sqlite"), ForeignKey("hits.seq"), primary_key=True),
    Column("visit_id", Text, nullable=False),
    Column("visitor_no", BigInteger, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Index(None, "visitor_no", "occurred_at"),  # a visitor's hits in order, for the fold and the journey
)

# How long a page was seen and how far down, as each leave of it told: they are cumulative, so the largest counts.
engagements = Table(
    "engagements",
    metadata,
    Column("hit_seq", BigInteger().with_variant(Integer(), "sqlite"), ForeignKey("hits.seq"), primary_key=True),
    Column("site_id", Integer, nullable=False),
    Column("visitor_no", BigInteger, nullable=False),
    Column("page_id", Text, nullable=False),  # the hit id of the page view, which may come later, or never
    Column("engaged_ms", BigInteger, nullable=False),
    Column("scroll", Integer, nullable=False),  # percent
    Index(None, "site_id", "page_id"),  # a journey's pages are looked up; ascends with time
)

touchpoints = Table(
    "touchpoints",
    metadata,
    Column("touchpoint_id", Text, primary_key=True),  # the visit's id, or derived from the event's hit
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("hit_seq", BigInteger, nullable=False),  # the hit that began it
    Column("hit_id", Text, nullable=False),  # orders touches of the same instant
    Column("visitor_no", BigInteger),
    Column("contact_id", Text),  # only of a contact that was no web visit; visits belong to people through links
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    *arrival_columns(),
    Column("landing_url", Text, nullable=False),
    Column("referrer", Text),
    Column("click_ids", JSON, nullable=False),  # [[parameter, value], ...] as they came
    Column("browser", Text, nullable=False),
    Column("os", Text, nullable=False),
    Column("rule", Text, nullable=False),  # which channel rule decided
    Column("rules_version", Text, nullable=False),
    one_of("kind", TouchKind),
    Index(None, "site_id", "day"),  # every report reads a site's period
    Index(None, "visitor_no", "occurred_at"),  # a contact's path, through links
    # Of visits nobody is named here: an index of them all would be one of nothing, and mislead whoever plans by it.
    Index("ix_touchpoints_contact_id", "contact_id", sqlite_where=HAS_CONTACT, postgresql_where=HAS_CONTACT),
)

# --- derived: people ------------------------------------------------------------------------------------------------

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", Text, primary_key=True),  # derived from the identifier that founded it
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("email", Word),  # the latest of its e-mail addresses
    Column("crm_id", Word),
    Column("phone", Text),
    Column("name", Text),
    Column("company_name", Text),
    Column("company_domain", Word),  # from the e-mail address; free-mail domains never
    Column("properties", JSON, nullable=False),
    Column("stage", Word),  # of its life cycle, the latest of stage_changes; empty: nobody told
    Column("stage_at", Instant),
    Column("score", Integer),  # as the CRM says
    Column("points", Integer),  # by the definitions' rules, when it was last looked at; empty: there are none
    Column("lead_at", Instant, nullable=False),  # first identified
    Column("lead_day", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    *reach_columns(),
    Index(None, "site_id", "contact_id"),  # everybody in turn, some at a time, when definitions change
    Index(None, "site_id", "lead_at", "contact_id"),  # the contacts page, newest first
    Index(None, "site_id", "last_at", "contact_id"),  # and by latest touch, score and revenue: a page reads its rows
    Index(None, "site_id", "score", "contact_id"),
    Index(None, "site_id", "revenue_minor", "contact_id"),
    # A deal that names no one takes its company's people; the list of companies is read from it alone.
    Index(None, "site_id", "company_domain", "last_at"),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Word, primary_key=True),  # e-mail lower-cased, CRM id as given
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("own_id", Text, nullable=False),  # whose it is while no merge stands
    one_of("kind", IdentifierKind),
    Index(None, "contact_id"),
)

identifications = Table(
    "identifications",
    metadata,
    Column("identification_id", Text, primary_key=True),  # derived from the hit or the CRM change
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("own_id", Text, nullable=False),  # whom it named; another than contact_id while that one is merged
    Column("visitor_no", BigInteger),
    Column("hit_seq", BigInteger),  # the evidence
    Column("kind", Text, nullable=False),
    Column("conversation", Text),  # of a chat on the site's pages: provider and its id; counts once for a contact
    Column("occurred_at", Instant, nullable=False),
    one_of("kind", IdentificationKind),
    Index(None, "visitor_no"),
    Index(None, "contact_id"),
    Index(None, "hit_seq"),  # whether an old hit names somebody, and so is kept
)

# Which contacts are merged now, each into which: it has no row in contacts, and what was its own is the other's.
merges = Table(
    "merges",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("into_id", Text, nullable=False),  # which may be merged itself, later
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
)

# Whose a browser was, when: [from_at, to_at), open at the side that is empty.
links = Table(
    "links",
    metadata,
    Column("visitor_no", ForeignKey("visitors.visitor_no"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("contact_id", ForeignKey("contacts.contact_id"), nullable=False),
    Column("from_at", Instant),
    Column("to_at", Instant),
    Index(None, "contact_id"),
)

# Phone calls that a telephone system told of, and how far each was followed back.
calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),  # derived from the hit, like an identification by it; its conversion's
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("hit_seq", BigInteger, nullable=False),
    Column("visitor_no", BigInteger),  # the one visitor who held the number
    Column("contact_id", Text),  # whose call it is: named with the call, else whose the browser was at that time
    Column("touchpoint_id", Text),  # a call that no visitor is known of is a touch of its own
    Column("occurred_at", Instant, nullable=False),
    Column("traced", Text, nullable=False),
    one_of("traced", Traced),
    Index(None, "site_id", "occurred_at"),  # the calls page, newest first
    Index(None, "visitor_no"),  # whose calls change hands when a browser does
    Index(None, "contact_id"),
    Index(None, "hit_seq"),  # whether an old hit is a call, and so is kept
)

# --- derived: deals and their money ---------------------------------------------------------------------------------

deals = Table(
    "deals",
    metadata,
    Column("deal_id", Text, primary_key=True),  # derived from site and reference
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("reference", Word, nullable=False),
    Column("name", Text),
    Column("pipeline", Text),
    Column("stage", Text),  # the CRM's own word
    Column("probability_bp", Integer),  # of being won, as the CRM says, in ten-thousandths
    Column("lost_reason", Text),
    Column("status", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("company_domain", Word),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("site_id", "reference"),
    Index(None, "site_id", "company_domain"),
    one_of("status", DealStatus),
    one_of("type", DealType),
)

deal_contacts = Table(
    "deal_contacts",
    metadata,
    Column("deal_id", ForeignKey("deals.deal_id"), primary_key=True),
    Column("contact_id", ForeignKey("contacts.contact_id"), primary_key=True),
    Index(None, "contact_id"),
)

# How a deal stood, from each change on until the next: what is asked of a past day is asked here.
deal_states = Table(
    "deal_states",
    metadata,
    Column("deal_id", ForeignKey("deals.deal_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("to_at", Instant),  # empty: it stands so now
    Column("from_day", Text, nullable=False),
    Column("to_day", Text),  # the day of to_at
    Column("pipeline", Word, nullable=False),  # '' where the CRM named none, as below
    Column("stage", Word, nullable=False),
    Column("stage_at", Instant, nullable=False),  # since when it has been in this stage
    Column("status", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("probability_bp", Integer),
    Column("lost_reason", Text),
    Column("closed_day", Text),  # on which it was won or lost, as far as was known; empty while open
    one_of("status", DealStatus),
    Index(None, "site_id", "from_day"),  # who stood where on a day, who entered a stage in a period
)

# The ledger: signed entries, each with its own date. Their sum is what the CRM says the deal brought.
deal_entries = Table(
    "deal_entries",
    metadata,
    Column("deal_id", ForeignKey("deals.deal_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    one_of("kind", EntryKind),
    Index(None, "site_id", "day"),  # revenue of a period
)

# --- derived: conversions and paths ---------------------------------------------------------------------------------

conversions = Table(
    "conversions",
    metadata,
    Column("conversion_id", Text, primary_key=True),  # derived from the hit, the contact or the deal
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("contact_id", Text),
    Column("deal_id", Text),
    Column("hit_seq", BigInteger),
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    Column("lead_day", Text),  # the cohort: when its (oldest) contact became a lead
    Column("lead_at", Instant),  # when that contact became one, when its deal was created: milestones of models
    Column("deal_at", Instant),
    Column("last_win_at", Instant),  # of an upsell, cross-sell or renewal: the customer's last win before it
    Column("n", Integer, nullable=False),  # 1; 0 for a win taken back, kept because its ledger needs its path
    Column("by_company", Boolean, nullable=False),  # the deal named no one; its company's people were taken
    # A call that may be of several visitors: credited to what their sources share.
    Column("ambiguous", Boolean, nullable=False, server_default=false()),
    one_of("kind", ConversionKind),
    Index(None, "site_id", "day"),
    Index(None, "contact_id"),
    Index(None, "deal_id"),
)

# One row per conversion and touch, flat: the touch's dimensions and the conversion's kind and cohort stand on it.
paths = Table(
    "paths",
    metadata,
    Column("conversion_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("conversion_at", Instant, nullable=False),
    Column("conversion_day", Text, nullable=False),
    Column("lead_day", Text),
    Column("touchpoint_id", Text, nullable=False),
    Column("touched_at", Instant, nullable=False),
    Column("touch_day", Text, nullable=False),
    # Whose touch, from narrow to wide: 0 the (oldest) contact's, 1 another contact's of the deal, 2 a colleague's.
    Column("scope", Integer, nullable=False),
    Column("tie", BigInteger, nullable=False),  # hash of conversion and touch: who gets the odd yen
    *arrival_columns(),
    Index(None, "site_id", "conversion_day"),  # activity basis
    Index(None, "site_id", "touch_day"),  # touch cohorts
    Index(None, "site_id", "lead_day"),  # lead cohorts
)

# Which conversions were credited anew, and in which write: readers that keep paths in memory take the rest from there.
recredited = Table(
    "recredited",
    metadata,
    Column("site_id", Integer, primary_key=True),
    Column("revision", BigInteger, primary_key=True),  # PostgreSQL: the transaction's number; SQLite: a running one
    # "day 2026-04-01": its visits are others. Empty: everything of the site was derived anew.
    Column("conversion_id", Text, primary_key=True),
)
