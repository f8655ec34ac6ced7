"""Calls and their numbers, how pages were read, and what pages ask."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_checks() -> None:
    op.create_table(
        "checks",
        sa.Column("check_id", SERIAL, nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("site_key", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("sets_cookie", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_checks")),
    )
    op.create_index(op.f("ix_checks_heard_at"), "checks", ["heard_at"], unique=False)
    op.create_index(op.f("ix_checks_nonce"), "checks", ["nonce"], unique=False)


def create_spent_links() -> None:
    op.create_table(
        "spent_links",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("spent_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_spent_links")),
    )
    op.create_index(op.f("ix_spent_links_spent_at"), "spent_links", ["spent_at"], unique=False)


def create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("hit_seq", sa.BigInteger(), nullable=False),
        sa.Column("visitor_no", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("touchpoint_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("traced", sa.Text(), nullable=False),
        sa.CheckConstraint("traced IN ('visitor', 'ambiguous', 'number', 'unknown')", name=op.f("ck_calls_traced")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_calls_site_id_sites")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_calls")),
    )
    op.create_index(op.f("ix_calls_contact_id"), "calls", ["contact_id"], unique=False)
    op.create_index(op.f("ix_calls_hit_seq"), "calls", ["hit_seq"], unique=False)
    op.create_index(op.f("ix_calls_site_id_occurred_at"), "calls", ["site_id", "occurred_at"], unique=False)
    op.create_index(op.f("ix_calls_visitor_no"), "calls", ["visitor_no"], unique=False)


def create_numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("number", WORD, nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("medium", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_numbers_site_id_sites")),
        sa.PrimaryKeyConstraint("number_id", name=op.f("pk_numbers")),
        sa.UniqueConstraint("site_id", "number", name=op.f("uq_numbers_site_id_number")),
    )


def create_engagements() -> None:
    op.create_table(
        "engagements",
        sa.Column("hit_seq", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("visitor_no", sa.BigInteger(), nullable=False),
        sa.Column("page_id", sa.Text(), nullable=False),
        sa.Column("engaged_ms", sa.BigInteger(), nullable=False),
        sa.Column("scroll", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hit_seq"], ["hits.seq"], name=op.f("fk_engagements_hit_seq_hits")),
        sa.PrimaryKeyConstraint("hit_seq", name=op.f("pk_engagements")),
    )
    op.create_index(op.f("ix_engagements_site_id_page_id"), "engagements", ["site_id", "page_id"], unique=False)


def create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("lease_id", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("number_id", sa.Integer(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("referrer", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["number_id"], ["numbers.number_id"], name=op.f("fk_leases_number_id_numbers")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_leases_site_id_sites")),
        sa.PrimaryKeyConstraint("lease_id", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_number_id_until_at"), "leases", ["number_id", "until_at"], unique=False)
    op.create_index(op.f("ix_leases_site_id_visitor_id"), "leases", ["site_id", "visitor_id"], unique=False)


def upgrade() -> None:
    create_checks()
    create_spent_links()
    create_calls()
    create_numbers()
    create_engagements()
    create_leases()


def downgrade() -> None:
    op.drop_table("leases")
    op.drop_table("engagements")
    op.drop_table("numbers")
    op.drop_table("calls")
    op.drop_table("spent_links")
    op.drop_table("checks")
