"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_pulse() -> None:
    op.create_table(
        "pulse",
        sa.Column("pulse_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("beaten_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pulse_id", name=op.f("pk_pulse")),
    )


def create_refusals() -> None:
    op.create_table(
        "refusals",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "day", "reason", name=op.f("pk_refusals")),
    )


def create_sites() -> None:
    op.create_table(
        "sites",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hosts", sa.JSON(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("visit_gap_s", sa.Integer(), nullable=False),
        sa.Column("lease_s", sa.Integer(), nullable=False),
        sa.Column("lease_rest_s", sa.Integer(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("tracking", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_sites")),
        sa.UniqueConstraint("key", name=op.f("uq_sites_key")),
    )


def create_user_agents() -> None:
    op.create_table(
        "user_agents",
        sa.Column("ua_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("os", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("ua_id", name=op.f("pk_user_agents")),
    )


def create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("session_no", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'analyst', 'viewer')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )


def create_contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("email", WORD, nullable=True),
        sa.Column("crm_id", WORD, nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("company_name", sa.Text(), nullable=True),
        sa.Column("company_domain", WORD, nullable=True),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("stage", WORD, nullable=True),
        sa.Column("stage_at", sa.BigInteger(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.Column("lead_at", sa.BigInteger(), nullable=False),
        sa.Column("lead_day", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("first_channel", WORD, nullable=True),
        sa.Column("first_source", WORD, nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("last_channel", WORD, nullable=True),
        sa.Column("last_source", WORD, nullable=True),
        sa.Column("touch_channels", sa.Text(), nullable=False),
        sa.Column("touch_sources", sa.Text(), nullable=False),
        sa.Column("country", WORD, nullable=True),
        sa.Column("n_visits", sa.Integer(), nullable=False),
        sa.Column("n_deals", sa.Integer(), nullable=False),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_contacts_site_id_sites")),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_contacts")),
    )
    op.create_index(
        op.f("ix_contacts_site_id_company_domain_last_at"),
        "contacts",
        ["site_id", "company_domain", "last_at"],
        unique=False,
    )
    op.create_index(op.f("ix_contacts_site_id_contact_id"), "contacts", ["site_id", "contact_id"], unique=False)
    op.create_index(
        op.f("ix_contacts_site_id_last_at_contact_id"), "contacts", ["site_id", "last_at", "contact_id"], unique=False
    )
    op.create_index(
        op.f("ix_contacts_site_id_lead_at_contact_id"), "contacts", ["site_id", "lead_at", "contact_id"], unique=False
    )
    op.create_index(
        op.f("ix_contacts_site_id_revenue_minor_contact_id"),
        "contacts",
        ["site_id", "revenue_minor", "contact_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_contacts_site_id_score_contact_id"), "contacts", ["site_id", "score", "contact_id"], unique=False
    )


def create_costs() -> None:
    op.create_table(
        "costs",
        sa.Column("cost_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("told_source", WORD, nullable=False),
        sa.Column("told_medium", WORD, nullable=False),
        sa.Column("told_campaign", WORD, nullable=False),
        sa.Column("channel", WORD, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.Column("medium", WORD, nullable=False),
        sa.Column("campaign", WORD, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_costs_amount")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_costs_site_id_sites")),
        sa.PrimaryKeyConstraint("cost_id", name=op.f("pk_costs")),
        sa.UniqueConstraint(
            "site_id",
            "day",
            "told_source",
            "told_medium",
            "told_campaign",
            name=op.f("uq_costs_site_id_day_told_source_told_medium_told_campaign"),
        ),
    )
    op.create_index(op.f("ix_costs_import_id"), "costs", ["import_id"], unique=False)


def create_crm_changes() -> None:
    op.create_table(
        "crm_changes",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('contact', 'deal', 'stage', 'merge', 'split', 'company', 'company_stage')",
            name=op.f("ck_crm_changes_kind"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_crm_changes_site_id_sites")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_crm_changes")),
    )
    op.create_index(op.f("ix_crm_changes_site_id_kind_key"), "crm_changes", ["site_id", "kind", "key"], unique=False)


def create_deals() -> None:
    op.create_table(
        "deals",
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("reference", WORD, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("probability_bp", sa.Integer(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("company_domain", WORD, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('open', 'won', 'lost')", name=op.f("ck_deals_status")),
        sa.CheckConstraint("type IN ('new', 'upsell', 'cross_sell', 'renewal')", name=op.f("ck_deals_type")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_deals_site_id_sites")),
        sa.PrimaryKeyConstraint("deal_id", name=op.f("pk_deals")),
        sa.UniqueConstraint("site_id", "reference", name=op.f("uq_deals_site_id_reference")),
    )
    op.create_index(op.f("ix_deals_site_id_company_domain"), "deals", ["site_id", "company_domain"], unique=False)


def create_hits() -> None:
    op.create_table(
        "hits",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("hit_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("referrer", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('page', 'form', 'identify', 'event', 'leave', 'call', 'chat', 'offline')",
            name=op.f("ck_hits_kind"),
        ),
        sa.CheckConstraint("origin IN ('browser', 'api', 'log', 'demo')", name=op.f("ck_hits_origin")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_hits_site_id_sites")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_hits")),
        sa.UniqueConstraint("site_id", "hit_id", name=op.f("uq_hits_site_id_hit_id")),
    )
    op.create_index(op.f("ix_hits_site_id_received_at"), "hits", ["site_id", "received_at"], unique=False)


def create_retention() -> None:
    op.create_table(
        "retention",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("horizon_at", sa.BigInteger(), nullable=False),
        sa.Column("swept_at", sa.BigInteger(), nullable=False),
        sa.Column("swept_id", sa.Text(), nullable=False),
        sa.Column("open_at", sa.BigInteger(), nullable=True),
        sa.Column("swept_seq", sa.BigInteger(), nullable=False),
        sa.Column("n_pruned", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_retention_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_retention")),
    )


def create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_tokens_site_id_sites")),
        sa.PrimaryKeyConstraint("token_id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tokens_token_hash")),
    )


def create_touchpoints() -> None:
    op.create_table(
        "touchpoints",
        sa.Column("touchpoint_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hit_seq", sa.BigInteger(), nullable=False),
        sa.Column("hit_id", sa.Text(), nullable=False),
        sa.Column("visitor_no", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("channel", WORD, nullable=False),
        sa.Column("source", WORD, nullable=False),
        sa.Column("medium", WORD, nullable=False),
        sa.Column("campaign", WORD, nullable=False),
        sa.Column("term", WORD, nullable=False),
        sa.Column("content", WORD, nullable=False),
        sa.Column("landing_page", WORD, nullable=False),
        sa.Column("referring_host", WORD, nullable=False),
        sa.Column("device", WORD, nullable=False),
        sa.Column("country", WORD, nullable=False),
        sa.Column("landing_url", sa.Text(), nullable=False),
        sa.Column("referrer", sa.Text(), nullable=True),
        sa.Column("click_ids", sa.JSON(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("os", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('visit', 'call', 'chat', 'offline')", name=op.f("ck_touchpoints_kind")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_touchpoints_site_id_sites")),
        sa.PrimaryKeyConstraint("touchpoint_id", name=op.f("pk_touchpoints")),
    )
    op.create_index(
        "ix_touchpoints_contact_id",
        "touchpoints",
        ["contact_id"],
        unique=False,
        sqlite_where=sa.text("contact_id IS NOT NULL"),
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_touchpoints_site_id_day"), "touchpoints", ["site_id", "day"], unique=False)
    op.create_index(
        op.f("ix_touchpoints_visitor_no_occurred_at"), "touchpoints", ["visitor_no", "occurred_at"], unique=False
    )


def create_visitors() -> None:
    op.create_table(
        "visitors",
        sa.Column("visitor_no", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_visitors_site_id_sites")),
        sa.PrimaryKeyConstraint("visitor_no", name=op.f("pk_visitors")),
        sa.UniqueConstraint("site_id", "visitor_id", name=op.f("uq_visitors_site_id_visitor_id")),
    )


def create_deal_contacts() -> None:
    op.create_table(
        "deal_contacts",
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.contact_id"], name=op.f("fk_deal_contacts_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.deal_id"], name=op.f("fk_deal_contacts_deal_id_deals")),
        sa.PrimaryKeyConstraint("deal_id", "contact_id", name=op.f("pk_deal_contacts")),
    )
    op.create_index(op.f("ix_deal_contacts_contact_id"), "deal_contacts", ["contact_id"], unique=False)


def create_deal_entries() -> None:
    op.create_table(
        "deal_entries",
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('won', 'amended', 'refunded', 'lost_after_won', 'reopened', 'redated')",
            name=op.f("ck_deal_entries_kind"),
        ),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.deal_id"], name=op.f("fk_deal_entries_deal_id_deals")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_deal_entries_site_id_sites")),
        sa.PrimaryKeyConstraint("deal_id", "position", name=op.f("pk_deal_entries")),
    )
    op.create_index(op.f("ix_deal_entries_site_id_day"), "deal_entries", ["site_id", "day"], unique=False)


def create_hits_parked() -> None:
    op.create_table(
        "hits_parked",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["hits.seq"], name=op.f("fk_hits_parked_seq_hits"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_hits_parked")),
    )


def create_hits_waiting() -> None:
    op.create_table(
        "hits_waiting",
        sa.Column("seq", SERIAL, nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["hits.seq"], name=op.f("fk_hits_waiting_seq_hits")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_hits_waiting")),
    )


def create_identifications() -> None:
    op.create_table(
        "identifications",
        sa.Column("identification_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("own_id", sa.Text(), nullable=False),
        sa.Column("visitor_no", sa.BigInteger(), nullable=True),
        sa.Column("hit_seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('form', 'identify', 'call', 'chat', 'offline', 'crm')", name=op.f("ck_identifications_kind")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.contact_id"], name=op.f("fk_identifications_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_identifications_site_id_sites")),
        sa.PrimaryKeyConstraint("identification_id", name=op.f("pk_identifications")),
    )
    op.create_index(op.f("ix_identifications_contact_id"), "identifications", ["contact_id"], unique=False)
    op.create_index(op.f("ix_identifications_hit_seq"), "identifications", ["hit_seq"], unique=False)
    op.create_index(op.f("ix_identifications_visitor_no"), "identifications", ["visitor_no"], unique=False)


def create_identifiers() -> None:
    op.create_table(
        "identifiers",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", WORD, nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("own_id", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('email', 'crm_id')", name=op.f("ck_identifiers_kind")),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.contact_id"], name=op.f("fk_identifiers_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_identifiers_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "kind", "value", name=op.f("pk_identifiers")),
    )
    op.create_index(op.f("ix_identifiers_contact_id"), "identifiers", ["contact_id"], unique=False)


def create_links() -> None:
    op.create_table(
        "links",
        sa.Column("visitor_no", SERIAL, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=True),
        sa.Column("to_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.contact_id"], name=op.f("fk_links_contact_id_contacts")),
        sa.ForeignKeyConstraint(["visitor_no"], ["visitors.visitor_no"], name=op.f("fk_links_visitor_no_visitors")),
        sa.PrimaryKeyConstraint("visitor_no", "position", name=op.f("pk_links")),
    )
    op.create_index(op.f("ix_links_contact_id"), "links", ["contact_id"], unique=False)


def create_visit_hits() -> None:
    op.create_table(
        "visit_hits",
        sa.Column("hit_seq", SERIAL, nullable=False),
        sa.Column("visit_id", sa.Text(), nullable=False),
        sa.Column("visitor_no", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hit_seq"], ["hits.seq"], name=op.f("fk_visit_hits_hit_seq_hits")),
        sa.PrimaryKeyConstraint("hit_seq", name=op.f("pk_visit_hits")),
    )
    op.create_index(
        op.f("ix_visit_hits_visitor_no_occurred_at"), "visit_hits", ["visitor_no", "occurred_at"], unique=False
    )


def create_visits() -> None:
    op.create_table(
        "visits",
        sa.Column("visit_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("visitor_no", SERIAL, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("n_hits", sa.Integer(), nullable=False),
        sa.Column("n_pages", sa.Integer(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=True),
        sa.Column("sealed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_visits_site_id_sites")),
        sa.ForeignKeyConstraint(["visitor_no"], ["visitors.visitor_no"], name=op.f("fk_visits_visitor_no_visitors")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_visits")),
    )
    op.create_index(
        "ix_visits_bots",
        "visits",
        ["site_id", "started_at"],
        unique=False,
        sqlite_where=sa.text("bot IS NOT NULL"),
        postgresql_where=sa.text("bot IS NOT NULL"),
    )
    op.create_index(op.f("ix_visits_site_id_started_at"), "visits", ["site_id", "started_at"], unique=False)
    op.create_index(op.f("ix_visits_visitor_no_started_at"), "visits", ["visitor_no", "started_at"], unique=False)


def upgrade() -> None:
    create_pulse()
    create_refusals()
    create_sites()
    create_user_agents()
    create_users()
    create_contacts()
    create_costs()
    create_crm_changes()
    create_deals()
    create_hits()
    create_retention()
    create_tokens()
    create_touchpoints()
    create_visitors()
    create_deal_contacts()
    create_deal_entries()
    create_hits_parked()
    create_hits_waiting()
    create_identifications()
    create_identifiers()
    create_links()
    create_visit_hits()
    create_visits()


def downgrade() -> None:
    op.drop_table("visits")
    op.drop_table("visit_hits")
    op.drop_table("links")
    op.drop_table("identifiers")
    op.drop_table("identifications")
    op.drop_table("hits_waiting")
    op.drop_table("hits_parked")
    op.drop_table("deal_entries")
    op.drop_table("deal_contacts")
    op.drop_table("visitors")
    op.drop_table("touchpoints")
    op.drop_table("tokens")
    op.drop_table("retention")
    op.drop_table("hits")
    op.drop_table("deals")
    op.drop_table("crm_changes")
    op.drop_table("costs")
    op.drop_table("contacts")
    op.drop_table("users")
    op.drop_table("user_agents")
    op.drop_table("sites")
    op.drop_table("refusals")
    op.drop_table("pulse")
