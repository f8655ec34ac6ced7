"""Conversions and their paths, attribution policies, fits, and what was credited anew."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def create_recredited() -> None:
    op.create_table(
        "recredited",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "revision", "conversion_id", name=op.f("pk_recredited")),
    )


def create_conversions() -> None:
    op.create_table(
        "conversions",
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("deal_id", sa.Text(), nullable=True),
        sa.Column("hit_seq", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("lead_day", sa.Text(), nullable=True),
        sa.Column("lead_at", sa.BigInteger(), nullable=True),
        sa.Column("deal_at", sa.BigInteger(), nullable=True),
        sa.Column("last_win_at", sa.BigInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("by_company", sa.Boolean(), nullable=False),
        sa.Column("ambiguous", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('form', 'call', 'chat', 'offline', 'lead', 'mql', 'sql', 'customer', 'deal_created', 'deal_won')",
            name=op.f("ck_conversions_kind"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_conversions_site_id_sites")),
        sa.PrimaryKeyConstraint("conversion_id", name=op.f("pk_conversions")),
    )
    op.create_index(op.f("ix_conversions_contact_id"), "conversions", ["contact_id"], unique=False)
    op.create_index(op.f("ix_conversions_deal_id"), "conversions", ["deal_id"], unique=False)
    op.create_index(op.f("ix_conversions_site_id_day"), "conversions", ["site_id", "day"], unique=False)


def create_fits() -> None:
    op.create_table(
        "fits",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fitted_at", sa.BigInteger(), nullable=False),
        sa.Column("from_day", sa.Text(), nullable=False),
        sa.Column("to_day", sa.Text(), nullable=False),
        sa.Column("n_paths", sa.Integer(), nullable=False),
        sa.Column("n_converted", sa.Integer(), nullable=False),
        sa.Column("n_touches", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("learned", sa.JSON(), nullable=False),
        sa.Column("refusals", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_fits_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "version", name=op.f("pk_fits")),
    )


def create_merges() -> None:
    op.create_table(
        "merges",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("into_id", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_merges_site_id_sites")),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_merges")),
    )


def create_paths() -> None:
    op.create_table(
        "paths",
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conversion_at", sa.BigInteger(), nullable=False),
        sa.Column("conversion_day", sa.Text(), nullable=False),
        sa.Column("lead_day", sa.Text(), nullable=True),
        sa.Column("touchpoint_id", sa.Text(), nullable=False),
        sa.Column("touched_at", sa.BigInteger(), nullable=False),
        sa.Column("touch_day", sa.Text(), nullable=False),
        sa.Column("scope", sa.Integer(), nullable=False),
        sa.Column("tie", sa.BigInteger(), nullable=False),
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
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_paths_site_id_sites")),
        sa.PrimaryKeyConstraint("conversion_id", "position", name=op.f("pk_paths")),
    )
    op.create_index(op.f("ix_paths_site_id_conversion_day"), "paths", ["site_id", "conversion_day"], unique=False)
    op.create_index(op.f("ix_paths_site_id_lead_day"), "paths", ["site_id", "lead_day"], unique=False)
    op.create_index(op.f("ix_paths_site_id_touch_day"), "paths", ["site_id", "touch_day"], unique=False)


def create_policies() -> None:
    op.create_table(
        "policies",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_policies_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "version", name=op.f("pk_policies")),
    )


def upgrade() -> None:
    create_recredited()
    create_conversions()
    create_fits()
    create_merges()
    create_paths()
    create_policies()


def downgrade() -> None:
    op.drop_table("policies")
    op.drop_table("paths")
    op.drop_table("merges")
    op.drop_table("fits")
    op.drop_table("conversions")
    op.drop_table("recredited")
