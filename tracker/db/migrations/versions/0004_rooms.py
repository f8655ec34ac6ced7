"""Roles and the audit log, saved views, reports by mail, cost files, stages of deals and people."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("audit_id", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "action IN ('user', 'member', 'password', 'site', 'token', 'tracking', 'numbers', 'policy', 'merge', 'split', 'stage', 'costs', 'cost_rules', 'pipeline', 'view', 'digest', 'export', 'stages', 'definition', 'sign_off', 'segment', 'action', 'programme', 'survey', 'account', 'target')",
            name=op.f("ck_audit_action"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_audit_site_id_sites")),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_site_id_audit_id"), "audit", ["site_id", "audit_id"], unique=False)


def create_cost_drafts() -> None:
    op.create_table(
        "cost_drafts",
        sa.Column("draft_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_cost_drafts_site_id_sites")),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_cost_drafts")),
    )


def create_cost_imports() -> None:
    op.create_table(
        "cost_imports",
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("n_costs", sa.Integer(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("from_day", sa.Text(), nullable=False),
        sa.Column("to_day", sa.Text(), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "platform IN ('google_ads', 'meta_ads', 'microsoft_ads', 'linkedin_ads', 'yahoo_ads_search', 'yahoo_ads_display', 'own')",
            name=op.f("ck_cost_imports_platform"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_cost_imports_site_id_sites")),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_cost_imports")),
    )
    op.create_index(
        op.f("ix_cost_imports_site_id_imported_at"), "cost_imports", ["site_id", "imported_at"], unique=False
    )


def create_cost_rules() -> None:
    op.create_table(
        "cost_rules",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("told_source", sa.Text(), nullable=False),
        sa.Column("told_medium", sa.Text(), nullable=False),
        sa.Column("told_campaign", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("medium", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_cost_rules_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "position", name=op.f("pk_cost_rules")),
    )


def create_digests() -> None:
    op.create_table(
        "digests",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("every", sa.Text(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_day", sa.Text(), nullable=True),
        sa.Column("given_up_day", sa.Text(), nullable=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("n_failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("every IN ('week', 'month')", name=op.f("ck_digests_every")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_digests_site_id_sites")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_digests_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "site_id", "every", name=op.f("pk_digests")),
    )


def create_members() -> None:
    op.create_table(
        "members",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'analyst', 'viewer')", name=op.f("ck_members_role")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_members_site_id_sites")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_members_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "site_id", name=op.f("pk_members")),
    )


def create_password_links() -> None:
    op.create_table(
        "password_links",
        sa.Column("link_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("replaces", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_password_links_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("link_hash", name=op.f("pk_password_links")),
    )
    op.create_index(op.f("ix_password_links_user_id"), "password_links", ["user_id"], unique=False)


def create_pipeline_stages() -> None:
    op.create_table(
        "pipeline_stages",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pipeline", WORD, nullable=False),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("probability_bp", sa.Integer(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_pipeline_stages_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "pipeline", "stage", name=op.f("pk_pipeline_stages")),
    )


def create_views() -> None:
    op.create_table(
        "views",
        sa.Column("view_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_views_site_id_sites")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.user_id"], name=op.f("fk_views_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_views")),
        sa.UniqueConstraint("site_id", "user_id", "page", "name", name=op.f("uq_views_site_id_user_id_page_name")),
    )


def create_deal_states() -> None:
    op.create_table(
        "deal_states",
        sa.Column("deal_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("to_at", sa.BigInteger(), nullable=True),
        sa.Column("from_day", sa.Text(), nullable=False),
        sa.Column("to_day", sa.Text(), nullable=True),
        sa.Column("pipeline", WORD, nullable=False),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("stage_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("probability_bp", sa.Integer(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.Column("closed_day", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('open', 'won', 'lost')", name=op.f("ck_deal_states_status")),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.deal_id"], name=op.f("fk_deal_states_deal_id_deals")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_deal_states_site_id_sites")),
        sa.PrimaryKeyConstraint("deal_id", "position", name=op.f("pk_deal_states")),
    )
    op.create_index(op.f("ix_deal_states_site_id_from_day"), "deal_states", ["site_id", "from_day"], unique=False)


def create_replaced_costs() -> None:
    op.create_table(
        "replaced_costs",
        sa.Column("import_id", sa.Text(), nullable=False),
        sa.Column("cost_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("clicks", sa.BigInteger(), nullable=True),
        sa.Column("impressions", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("under_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["cost_imports.import_id"], name=op.f("fk_replaced_costs_import_id_cost_imports")
        ),
        sa.PrimaryKeyConstraint("import_id", "cost_id", name=op.f("pk_replaced_costs")),
    )
    op.create_index(op.f("ix_replaced_costs_cost_id"), "replaced_costs", ["cost_id"], unique=False)
    op.create_index(op.f("ix_replaced_costs_under_id"), "replaced_costs", ["under_id"], unique=False)


def create_stage_changes() -> None:
    op.create_table(
        "stage_changes",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("stage_before", sa.Text(), nullable=True),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('crm', 'user', 'deal', 'import', 'api', 'rule', 'company')", name=op.f("ck_stage_changes_cause")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.contact_id"], name=op.f("fk_stage_changes_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_stage_changes_site_id_sites")),
        sa.PrimaryKeyConstraint("contact_id", "position", name=op.f("pk_stage_changes")),
    )
    op.create_index(op.f("ix_stage_changes_site_id_day"), "stage_changes", ["site_id", "day"], unique=False)


def upgrade() -> None:
    create_audit()
    create_cost_drafts()
    create_cost_imports()
    create_cost_rules()
    create_digests()
    create_members()
    create_password_links()
    create_pipeline_stages()
    create_views()
    create_deal_states()
    create_replaced_costs()
    create_stage_changes()


def downgrade() -> None:
    op.drop_table("stage_changes")
    op.drop_table("replaced_costs")
    op.drop_table("deal_states")
    op.drop_table("views")
    op.drop_table("pipeline_stages")
    op.drop_table("password_links")
    op.drop_table("members")
    op.drop_table("digests")
    op.drop_table("cost_rules")
    op.drop_table("cost_imports")
    op.drop_table("cost_drafts")
    op.drop_table("audit")
