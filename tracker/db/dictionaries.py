"""The dictionaries: sites, users and what they settled; who may do what; the words that facts are told in.

Never derived, and little: what people decided about the installation. The facts are in schema.py, which hands on the
tables of this file too, so that whoever needs a table asks there.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import JSON

from tracker.db.columns import Instant, Serial, Word, metadata, one_of
from tracker.vocabulary import AdPlatform, Audited, Every, Role

# --- dictionaries ---------------------------------------------------------------------------------------------------

sites = Table(
    "sites",
    metadata,
    Column("site_id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("hosts", JSON, nullable=False),  # list of host names; a hit from another host is refused
    Column("timezone", Text, nullable=False),
    Column("currency", Text),  # empty until set or until the first deal or cost names one
    Column("visit_gap_s", Integer, nullable=False),
    Column("lease_s", Integer, nullable=False),  # how long a visitor holds a phone number after each page view
    Column("lease_rest_s", Integer, nullable=False),  # how long it rests then before another visitor is shown it
    Column("is_demo", Boolean, nullable=False, server_default=false()),
    Column("created_at", Instant, nullable=False),
    Column("tracking", JSON, nullable=False),  # what its snippet does: access/tracking.py
)

users = Table(
    "users",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),  # argon2id; '' until a password is set: nobody's
    Column("role", Text),  # on every site, also on those to come; empty: only what `members` says
    Column("language", Text, nullable=False),
    Column("session_no", Integer, nullable=False, server_default="0"),  # a log-in of an earlier one has ended
    Column("created_at", Instant, nullable=False),
    one_of("role", Role),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),  # SHA-256; the token itself is shown once
    Column("site_id", ForeignKey("sites.site_id")),  # empty: every site, the request names it
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

visitors = Table(
    "visitors",
    metadata,
    Column("visitor_no", Serial, primary_key=True),  # dense integer: what facts carry and reports count
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("visitor_id", Text, nullable=False),  # the cookie's random value
    UniqueConstraint("site_id", "visitor_id"),
)

user_agents = Table(
    "user_agents",
    metadata,
    Column("ua_id", Text, primary_key=True),  # hash of the text
    Column("text", Text, nullable=False),
    Column("browser", Text, nullable=False),
    Column("os", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("bot", Text),  # the crawler pattern that matched; empty for people
)

# Phone numbers that lead to the site's own: shown to visitors in their place, or printed with a source of their own.
numbers = Table(
    "numbers",
    metadata,
    Column("number_id", Integer, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("number", Word, nullable=False),  # E.164
    Column("shown", JSON, nullable=False),  # list of the numbers (E.164) on the site that it stands in for
    Column("source", Text),  # a number with a source is printed somewhere and is shown to no visitor
    Column("medium", Text),
    Column("campaign", Text),
    Column("added_at", Instant, nullable=False),
    Column("removed_at", Instant),  # calls to it are told for a while yet
    UniqueConstraint("site_id", "number"),
)

# Who was shown which number when, and what brought them. Told calls keep what was found here; old leases are deleted.
leases = Table(
    "leases",
    metadata,
    Column("lease_id", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("number_id", ForeignKey("numbers.number_id"), nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("url", Text, nullable=False),  # of the page that the visitor landed on, and the page before it
    Column("referrer", Text),
    Column("origin", Text, nullable=False),  # JSON: channel, source, medium, campaign of that arrival
    Column("started_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Index(None, "number_id", "until_at"),  # who holds a number, and who held it last
    Index(None, "site_id", "visitor_id"),  # a visitor's own number
)

# A site's attribution policies, one version after the other; the last is in force. Never changed, never deleted.
policies = Table(
    "policies",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("policy", JSON, nullable=False),  # attribution/policy.py
    Column("note", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
)

# What models learned from a site's own paths; the last is in force. Frozen: a new fit is a new version.
fits = Table(
    "fits",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("fitted_at", Instant, nullable=False),
    Column("from_day", Text, nullable=False),  # the data window, in the site's zone
    Column("to_day", Text, nullable=False),
    Column("n_paths", Integer, nullable=False),
    Column("n_converted", Integer, nullable=False),
    Column("n_touches", Integer, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("learned", JSON, nullable=False),  # attribution/fitting.py
    Column("refusals", JSON, nullable=False),  # by model: why it could not be fitted
)

# What a user may do on one site, where it is something else than what `users.role` says of all sites.
members = Table(
    "members",
    metadata,
    Column("user_id", ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("added_at", Instant, nullable=False),
    one_of("role", Role),
)

# Links with which somebody sets a password; each is good once, and one of them ends the others.
password_links = Table(
    "password_links",
    metadata,
    Column("link_hash", Text, primary_key=True),  # SHA-256; the link itself is shown once
    Column("user_id", ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("replaces", Boolean, nullable=False),  # also a password that is there; else it is only for who has none
    Column("expires_at", Instant, nullable=False),
)

# Who changed what; only ever added to.
audit = Table(
    "audit",
    metadata,
    Column("audit_id", Serial, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id")),  # empty: the installation
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),  # 'user alice@acme.example', 'token crm' or 'command line'
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),  # what was changed: a contact's id, a file's name, a user's address
    Column("details", JSON, nullable=False),  # {"before": …, "after": …} or what else tells of the change
    one_of("action", Audited),
    Index(None, "site_id", "audit_id"),
)

# A page's address with its parameters, under a name.
views = Table(
    "views",
    metadata,
    Column("view_id", Text, primary_key=True),  # random: a link with it can be shared, and not be guessed
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("user_id", ForeignKey("users.user_id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("page", Text, nullable=False),  # a path of this application: /reports/source
    Column("query", Text, nullable=False),  # without the site and the cursor
    Column("is_shared", Boolean, nullable=False),  # whether the site's other users see it listed
    Column("saved_at", Instant, nullable=False),
    UniqueConstraint("site_id", "user_id", "page", "name"),
)

# Who gets a report by mail, and the last period of which it was sent.
digests = Table(
    "digests",
    metadata,
    Column("user_id", ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True),
    Column("every", Text, primary_key=True),
    Column("since_at", Instant, nullable=False),
    Column("sent_day", Text),  # last day of the last period sent
    Column("given_up_day", Text),  # last day of the last period given up: the address is refused for good
    Column("tried_at", Instant),
    Column("n_failed", Integer, nullable=False, server_default="0"),  # tries since the last success
    Column("error", Text),  # of the last try: the kind of failure, no address
    one_of("every", Every),
)

# Where a site's pipelines begin and end, as a CRM told or a user said; what nobody told is taken from the deals.
pipeline_stages = Table(
    "pipeline_stages",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("pipeline", Word, primary_key=True),  # '' for deals without one
    Column("stage", Word, primary_key=True),  # the CRM's own word
    Column("position", Integer, nullable=False),
    Column("label", Text),
    Column("probability_bp", Integer),  # of being won, in ten-thousandths; empty: measured from the history
    Column("updated_at", Instant, nullable=False),
)

# What campaigns of an advertising platform are called on the site: the first rule that fits names a cost.
cost_rules = Table(
    "cost_rules",
    metadata,
    Column("site_id", ForeignKey("sites.site_id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("told_source", Text, nullable=False),  # patterns with *, without regard to case; '*' for any
    Column("told_medium", Text, nullable=False),
    Column("told_campaign", Text, nullable=False),
    Column("source", Text),  # empty: stays as told
    Column("medium", Text),
    Column("campaign", Text),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
)

# A file of costs that was taken in: what it held, to the minor unit.
cost_imports = Table(
    "cost_imports",
    metadata,
    Column("import_id", Text, primary_key=True),
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),  # the file's name
    Column("platform", Text, nullable=False),
    Column("mapping", JSON, nullable=False),  # which column was what
    Column("n_rows", Integer, nullable=False),  # rows of the file that were read
    Column("n_costs", Integer, nullable=False),  # costs that they made: rows of one day and name are added up
    Column("totals", JSON, nullable=False),  # [[currency, minor units], ...]
    Column("from_day", Text, nullable=False),
    Column("to_day", Text, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("imported_at", Instant, nullable=False),
    Column("undone_by", Text),
    Column("undone_at", Instant),
    Index(None, "site_id", "imported_at"),
    one_of("platform", AdPlatform),
)

# What stood in the place of an import's costs before it: taken back, it gives that back. A row tells of the next one
# below by its under_id, so that imports can be taken back in any order; nothing is kept below what no import told.
replaced_costs = Table(
    "replaced_costs",
    metadata,
    Column("import_id", ForeignKey("cost_imports.import_id"), primary_key=True),  # the import that replaced it
    Column("cost_id", Text, primary_key=True),  # its names are those of the cost
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("clicks", BigInteger),
    Column("impressions", BigInteger),
    Column("updated_at", Instant, nullable=False),
    Column("under_id", Text),  # the import that told it; empty: a program or a user did
    Index(None, "cost_id"),  # goes when a program or a user tells of the cost, which cannot be taken back
    Index(None, "under_id"),  # what lies over an import that is taken back
)

# A file of costs between its upload and the decision to take it in; gone with that, or after a day.
cost_drafts = Table(
    "cost_drafts",
    metadata,
    Column("draft_id", Text, primary_key=True),  # derived: whose file, and when it came
    Column("site_id", ForeignKey("sites.site_id"), nullable=False),
    Column("name", Text, nullable=False),  # the file's name
    Column("content", LargeBinary, nullable=False),  # zlib; as it was sent, so that it can be read otherwise
    Column("choices", JSON, nullable=False),  # costs/choices.py
    Column("sent_by", Text, nullable=False),
    Column("sent_at", Instant, nullable=False),
)

# --- kept for a while -----------------------------------------------------------------------------------------------

# What became of the page views of whoever tries a tag out; kept for a day.
checks = Table(
    "checks",
    metadata,
    Column("check_id", Serial, primary_key=True),
    Column("nonce", Text, nullable=False, index=True),  # the page that waits asks for it
    Column("heard_at", Instant, nullable=False, index=True),  # old ones are deleted
    Column("site_key", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("refusal", Text),
    Column("sets_cookie", Boolean, nullable=False),
)

# Tokens of links between a site's domains that were used; a daily job deletes those that no longer open anyway.
spent_links = Table(
    "spent_links",
    metadata,
    Column("token_hash", Text, primary_key=True),  # SHA-256
    Column("spent_at", Instant, nullable=False, index=True),
)

# Written by whoever asks whether the store can be written.
pulse = Table(
    "pulse",
    metadata,
    Column("pulse_id", Integer, primary_key=True, autoincrement=False),
    Column("beaten_at", Instant, nullable=False),
)
