"""The life cycle: stages, definitions, companies, segments, actions, mails, answers, target accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

# Bytewise order in every engine; and SQLite only numbers rows by itself for INTEGER.
WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def create_account_roles() -> None:
    op.create_table(
        "account_roles",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("patterns", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_account_roles_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "role", name=op.f("pk_account_roles")),
    )


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", WORD, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("tier", WORD, nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_accounts_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "domain", name=op.f("pk_accounts")),
    )


def create_actions() -> None:
    op.create_table(
        "actions",
        sa.Column("action_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("is_on", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("since_at", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('webhook', 'slack', 'email', 'crm_task', 'segment')", name=op.f("ck_actions_kind")
        ),
        sa.CheckConstraint("scope IN ('contact', 'company')", name=op.f("ck_actions_scope")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_actions_site_id_sites")),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_actions")),
    )
    op.create_index(op.f("ix_actions_site_id"), "actions", ["site_id"], unique=False)


def create_companies() -> None:
    op.create_table(
        "companies",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", WORD, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("stage", WORD, nullable=True),
        sa.Column("stage_at", sa.BigInteger(), nullable=True),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_companies_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "domain", name=op.f("pk_companies")),
    )


def create_company_changes() -> None:
    op.create_table(
        "company_changes",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("domain", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage_before", sa.Text(), nullable=True),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('crm', 'user', 'deal', 'import', 'api', 'rule', 'company')",
            name=op.f("ck_company_changes_cause"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_company_changes_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "domain", "position", name=op.f("pk_company_changes")),
    )
    op.create_index(op.f("ix_company_changes_site_id_day"), "company_changes", ["site_id", "day"], unique=False)


def create_definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_definitions_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "version", name=op.f("pk_definitions")),
    )


def create_due() -> None:
    op.create_table(
        "due",
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_due_site_id_sites")),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_due")),
    )
    op.create_index(op.f("ix_due_due_at"), "due", ["due_at"], unique=False)


def create_lifecycles() -> None:
    op.create_table(
        "lifecycles",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("needs_sign_off", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("people_follow_company", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("restaged_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_lifecycles_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_lifecycles")),
    )


def create_mail_events() -> None:
    op.create_table(
        "mail_events",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("programme", WORD, nullable=False),
        sa.Column("step", WORD, nullable=False),
        sa.Column("email", WORD, nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("is_machine", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('sent', 'delivered', 'open', 'click', 'bounce', 'unsubscribe', 'spam')",
            name=op.f("ck_mail_events_kind"),
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_mail_events_site_id_sites")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_mail_events")),
        sa.UniqueConstraint("site_id", "event_id", name=op.f("uq_mail_events_site_id_event_id")),
    )
    op.create_index(op.f("ix_mail_events_site_id_day"), "mail_events", ["site_id", "day"], unique=False)
    op.create_index(op.f("ix_mail_events_site_id_email"), "mail_events", ["site_id", "email"], unique=False)


def create_mail_links() -> None:
    op.create_table(
        "mail_links",
        sa.Column("link_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("programme", WORD, nullable=False),
        sa.Column("step", WORD, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_mail_links_site_id_sites")),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_mail_links")),
    )
    op.create_index(op.f("ix_mail_links_site_id"), "mail_links", ["site_id"], unique=False)


def create_mail_programmes() -> None:
    op.create_table(
        "mail_programmes",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("programme", WORD, nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.CheckConstraint("audience IN ('nurture', 'customer')", name=op.f("ck_mail_programmes_audience")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_mail_programmes_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "programme", name=op.f("pk_mail_programmes")),
    )


def create_nps_answers() -> None:
    op.create_table(
        "nps_answers",
        sa.Column("answer_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=True),
        sa.Column("email", WORD, nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("origin IN ('browser', 'api', 'log', 'demo')", name=op.f("ck_nps_answers_origin")),
        sa.CheckConstraint("score BETWEEN 0 AND 10", name=op.f("ck_nps_answers_score")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_nps_answers_site_id_sites")),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_nps_answers")),
    )
    op.create_index(op.f("ix_nps_answers_site_id_day"), "nps_answers", ["site_id", "day"], unique=False)
    op.create_index(op.f("ix_nps_answers_site_id_email"), "nps_answers", ["site_id", "email"], unique=False)


def create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("outbox_id", SERIAL, nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("action_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("n_tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("put_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('webhook', 'slack', 'email', 'crm_task', 'segment')", name=op.f("ck_outbox_kind")),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'buried', 'skipped')", name=op.f("ck_outbox_state")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_outbox_site_id_sites")),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("site_id", "key", name=op.f("uq_outbox_site_id_key")),
    )
    op.create_index(op.f("ix_outbox_action_id_outbox_id"), "outbox", ["action_id", "outbox_id"], unique=False)
    op.create_index(op.f("ix_outbox_site_id_outbox_id"), "outbox", ["site_id", "outbox_id"], unique=False)
    op.create_index(op.f("ix_outbox_state_not_before"), "outbox", ["state", "not_before"], unique=False)


def create_segments() -> None:
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_segments_site_id_sites")),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_segments")),
        sa.UniqueConstraint("site_id", "name", name=op.f("uq_segments_site_id_name")),
    )


def create_sign_offs() -> None:
    op.create_table(
        "sign_offs",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("side IN ('marketing', 'sales')", name=op.f("ck_sign_offs_side")),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_sign_offs_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "version", "side", name=op.f("pk_sign_offs")),
    )


def create_site_stages() -> None:
    op.create_table(
        "site_stages",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_site_stages_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "stage", name=op.f("pk_site_stages")),
    )


def create_stage_drafts() -> None:
    op.create_table(
        "stage_drafts",
        sa.Column("draft_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_stage_drafts_site_id_sites")),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_stage_drafts")),
    )
    op.create_index(op.f("ix_stage_drafts_site_id"), "stage_drafts", ["site_id"], unique=False)


def create_surveys() -> None:
    op.create_table(
        "surveys",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("is_open", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("for_anybody", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_surveys_site_id_sites")),
        sa.PrimaryKeyConstraint("survey_id", name=op.f("pk_surveys")),
    )
    op.create_index(op.f("ix_surveys_site_id"), "surveys", ["site_id"], unique=False)


def create_targets() -> None:
    op.create_table(
        "targets",
        sa.Column("site_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("from_month", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.site_id"], name=op.f("fk_targets_site_id_sites")),
        sa.PrimaryKeyConstraint("site_id", "metric", "from_month", name=op.f("pk_targets")),
    )


def create_segment_people() -> None:
    op.create_table(
        "segment_people",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id"],
            ["segments.segment_id"],
            name=op.f("fk_segment_people_segment_id_segments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("segment_id", "contact_id", name=op.f("pk_segment_people")),
    )
    op.create_index(op.f("ix_segment_people_contact_id"), "segment_people", ["contact_id"], unique=False)


def upgrade() -> None:
    create_account_roles()
    create_accounts()
    create_actions()
    create_companies()
    create_company_changes()
    create_definitions()
    create_due()
    create_lifecycles()
    create_mail_events()
    create_mail_links()
    create_mail_programmes()
    create_nps_answers()
    create_outbox()
    create_segments()
    create_sign_offs()
    create_site_stages()
    create_stage_drafts()
    create_surveys()
    create_targets()
    create_segment_people()


def downgrade() -> None:
    op.drop_table("segment_people")
    op.drop_table("targets")
    op.drop_table("surveys")
    op.drop_table("stage_drafts")
    op.drop_table("site_stages")
    op.drop_table("sign_offs")
    op.drop_table("segments")
    op.drop_table("outbox")
    op.drop_table("nps_answers")
    op.drop_table("mail_programmes")
    op.drop_table("mail_links")
    op.drop_table("mail_events")
    op.drop_table("lifecycles")
    op.drop_table("due")
    op.drop_table("definitions")
    op.drop_table("company_changes")
    op.drop_table("companies")
    op.drop_table("actions")
    op.drop_table("accounts")
    op.drop_table("account_roles")
