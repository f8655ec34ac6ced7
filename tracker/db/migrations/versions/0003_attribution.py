"""Attribution policies, fits, and what was credited anew."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.


def create_recredited() -> None:
    op.create_table(
        "recredited",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("conversion_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "revision", "conversion_id", name=op.f("pk_recredited")),
    )


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
    create_fits()
    create_merges()
    create_policies()


def downgrade() -> None:
    op.drop_table("policies")
    op.drop_table("merges")
    op.drop_table("fits")
    op.drop_table("recredited")
