"""The tables of the life cycle: its stages and definitions, segments, actions, mails, answers and target accounts.

Journals (mail_events, nps_answers) and what people decided; derived are companies, company_changes and due. schema.py
hands them on.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.types import JSON

from tracker.db.columns import Instant, Serial, Word, metadata, one_of
from tracker.vocabulary import ActionKind, MailKind, Origin, OutboxState, Programme, Scope, Side, StageCause

# --- stages and definitions -----------------------------------------------------------------------------------------

# A site's own stages in their order; a site without rows has the shipped ones.
site_stages = Table(
    "site_stages",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("stage", Word, primary_key=True),  # internal name: of HubSpot's where it is one of theirs
    Column("position", Integer, nullable=False),
    Column("label", Text),  # as the site calls it; empty: the product's word for a shipped one
)

# Files of stages that were sent and that nobody has decided about; they go after a day.
stage_drafts = Table(
    "stage_drafts",
    metadata,
    Column("draft_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),  # as it was sent, compressed
    Column("sent_by", Text, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Index(None, "site_id"),
)

# What makes whom an MQL: a site's definitions, version after version. Never changed but for its two dates at the end.
definitions = Table(
    "definitions",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # TOML: lifecycle/definition.py
    Column("reason", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("from_at", Instant, nullable=False),  # from when on it counts, once it is signed
    Column("signed_at", Instant),  # when the last side that has to agree did: nothing counts before
    Column("withdrawn_at", Instant),  # it was taken back before it was signed
)

sign_offs = Table(
    "sign_offs",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("side", Text, primary_key=True),
    Column("signed_by", Text, nullable=False),  # 'user alice@acme.example'
    Column("signed_at", Instant, nullable=False),
    one_of("side", Side),
)

# How a site wants its life cycle to be kept; a site without a row has the defaults.
lifecycles = Table(
    "lifecycles",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("needs_sign_off", Boolean, nullable=False, server_default=true()),
    Column("people_follow_company", Boolean, nullable=False, server_default=false()),
    # How far everybody is being derived anew: the last contact that was; empty: nothing is under way.
    Column("restaged_id", Text),
)

# Whose stage or score changes by itself when time passes: a window ends, points fade, a version comes into force.
due = Table(
    "due",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("due_at", Instant, nullable=False, index=True),
)

# A contact's way through the life cycle: each change, who made it, and what decided it.
stage_changes = Table(
    "stage_changes",
    metadata,
    Column("contact_id", ForeignKey("contacts.contact_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("stage_before", Text),
    Column("stage", Word, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("decided_by", Text, nullable=False),  # 'crm', 'user alice@acme.example', a deal's reference, a rule's name
    Column("version", Integer),  # of the definition that decided it
    Column("evidence", JSON, nullable=False),  # [[milliseconds, kind, text], ...]: the facts that decided it
    one_of("cause", StageCause),
    Index(None, "site_id", "day"),
)

# --- companies ------------------------------------------------------------------------------------------------------

# What is known of a company by its domain, from what CRMs told of it and from its stage_changes.
companies = Table(
    "companies",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("domain", Word, primary_key=True),
    Column("name", Text),
    Column("properties", JSON, nullable=False),
    Column("stage", Word),
    Column("stage_at", Instant),
    Column("points", Integer),
)

company_changes = Table(
    "company_changes",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("domain", Word, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("stage_before", Text),
    Column("stage", Word, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("version", Integer),  # of the definition that decided it
    Column("evidence", JSON, nullable=False),  # [[milliseconds, kind, text], ...]: the facts that decided it
    one_of("cause", StageCause),
    Index(None, "site_id", "day"),
)

# Target accounts: companies that a site wants to win, and how much.
accounts = Table(
    "accounts",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("domain", Word, primary_key=True),
    Column("name", Text),
    Column("tier", Word, nullable=False),  # the site's own word: A, B, C
    Column("owner", Text),  # who looks after it, for people to read
    Column("added_by", Text, nullable=False),
    Column("added_at", Instant, nullable=False),
)

# Which roles a site wants to know at an account, and by which words in a title it knows them.
account_roles = Table(
    "account_roles",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("role", Word, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("patterns", JSON, nullable=False),  # list of patterns with *, without regard to case
)

# --- segments, actions and what has to leave ------------------------------------------------------------------------

segments = Table(
    "segments",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),  # TOML of one condition (lifecycle/definition.py); '' where people are put in
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    UniqueConstraint("site_id", "name"),
)

# Whom an action put into a segment.
segment_people = Table(
    "segment_people",
    metadata,
    Column("segment_id", ForeignKey("segments.segment_id", ondelete="CASCADE"), primary_key=True),
    Column("contact_id", Text, primary_key=True),
    Column("added_at", Instant, nullable=False),
    Index(None, "contact_id"),
)

actions = Table(
    "actions",
    metadata,
    Column("action_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("stage", Word, nullable=False),  # who comes into it; '' for any
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),  # an address, a URL, a segment's id
    Column("secret", LargeBinary),  # encrypted: with it a webhook is signed
    Column("is_on", Boolean, nullable=False, server_default=true()),
    Column("since_at", Instant, nullable=False),  # what happened before does nothing
    Column("saved_by", Text, nullable=False),
    one_of("scope", Scope),
    one_of("kind", ActionKind),
    Index(None, "site_id"),
)

# All that has to leave, written by the transaction that decided it; who sends it claims it.
outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("key", Text, nullable=False),  # of what it follows from: the same is put in once
    Column("kind", Text, nullable=False),
    Column("action_id", Text),
    Column("subject", Text, nullable=False),  # the contact's id or the company's domain
    Column("payload", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("n_tries", Integer, nullable=False, server_default="0"),
    Column("error", Text),  # of the last try: the kind of failure
    Column("put_at", Instant, nullable=False),
    Column("settled_at", Instant),
    UniqueConstraint("site_id", "key"),
    one_of("kind", ActionKind),
    one_of("state", OutboxState),
    Index(None, "state", "not_before"),  # what is due; and how much is in each state, read from it alone
    Index(None, "site_id", "outbox_id"),  # the newest first
    Index(None, "action_id", "outbox_id"),
)

# --- mails, answers, targets ----------------------------------------------------------------------------------------

mail_programmes = Table(
    "mail_programmes",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("programme", Word, primary_key=True),
    Column("audience", Text, nullable=False),
    Column("label", Text),
    Column("steps", JSON, nullable=False),  # list of the steps' names in their order
    one_of("audience", Programme),
)

# A journal: what a mail service told of each mail.
mail_events = Table(
    "mail_events",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("event_id", Text, nullable=False),  # the service's own, or derived: the same is kept once
    Column("kind", Text, nullable=False),
    Column("programme", Word, nullable=False),
    Column("step", Word, nullable=False),  # '' where none was told
    Column("email", Word, nullable=False),  # lower-cased; '' of a link that nobody is known by
    Column("contact_id", Text),  # of a link that named a contact
    Column("url", Text),
    Column("is_machine", Boolean, nullable=False, server_default=false()),  # opened by a machine, as the service says
    Column("occurred_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    UniqueConstraint("site_id", "event_id"),
    one_of("kind", MailKind),
    Index(None, "site_id", "day"),
    Index(None, "site_id", "email"),
)

# Where a link of a mail leads, over our own redirect, which counts the click.
mail_links = Table(
    "mail_links",
    metadata,
    Column("link_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("programme", Word, nullable=False),
    Column("step", Word, nullable=False),
    Column("url", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Index(None, "site_id"),
)

surveys = Table(
    "surveys",
    metadata,
    Column("survey_id", Text, primary_key=True),  # random: its page's address
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("question", Text),  # empty: the usual one, in the reader's language
    Column("is_open", Boolean, nullable=False, server_default=true()),
    Column("for_anybody", Boolean, nullable=False, server_default=true()),  # also who bears no invitation may answer
    Column("saved_at", Instant, nullable=False),
    Index(None, "site_id"),
)

# A journal: how likely somebody is to recommend the company.
nps_answers = Table(
    "nps_answers",
    metadata,
    Column("answer_id", Text, primary_key=True),  # derived from who answered what when, or the client's own
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("survey_id", Text),
    Column("email", Word, nullable=False),  # '' where the answer names nobody
    Column("contact_id", Text),  # of an invitation that named a contact
    Column("score", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("answered_at", Instant, nullable=False),
    Column("day", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    CheckConstraint("score BETWEEN 0 AND 10", name="score"),
    one_of("origin", Origin),
    Index(None, "site_id", "day"),
    Index(None, "site_id", "email"),
)

# What a site wants a figure of the scorecard to be from a month on.
targets = Table(
    "targets",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("metric", Text, primary_key=True),
    Column("from_month", Text, primary_key=True),  # YYYY-MM
    Column("value", BigInteger, nullable=False),  # counts as they are, money in minor units, ratios in ten-thousandths
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
)
