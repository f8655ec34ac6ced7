"""Users and their roles by command: what they may do where, what a site keeps, what the audit log says of it."""

import pytest
from sqlalchemy import Engine, select

from tests.units.conftest import Command
from tracker.access.users import check_password
from tracker.db.schema import audit
from tracker.db.store import reading

pytestmark = [pytest.mark.parametrize("store_url", ["sqlite"], indirect=True), pytest.mark.usefixtures("two_sites")]
LONG = "correct horse battery\n"


def logged(store: Engine) -> list[tuple[str, str, int | None, dict[str, object]]]:
    with reading(store) as tx:
        rows = tx.execute(select(audit).order_by(audit.c.audit_id)).all()
    assert {row.actor for row in rows} == {"command line"}
    return [(row.action, row.subject, row.site_id, row.details) for row in rows]


def test_a_user_has_a_role_on_one_site_and_the_list_says_so(command: Command, store: Engine) -> None:
    assert command("user", "add", "boss@acme.example", "--password-stdin", given=LONG).exit_code == 0
    told = ("--role", "analyst", "--site", "acmekey", "--password-stdin")
    assert command("user", "add", "Hana@acme.example", *told, given=LONG).exit_code == 0
    assert command("user", "role", "boss@acme.example", "viewer", "--site", "otherkey").exit_code == 1
    assert command("user", "role", "hana@acme.example", "owner", "--site", "otherkey").exit_code == 0
    assert command("user", "role", "boss@acme.example", "viewer", "--site", "otherkey").exit_code == 0
    assert command("user", "list").output.splitlines() == [
        "boss@acme.example\towner\totherkey=viewer",
        "hana@acme.example\t-\tacmekey=analyst,otherkey=owner",
    ]
    assert logged(store) == [
        ("user", "boss@acme.example", None, {"role": "owner"}),
        ("user", "hana@acme.example", 1, {"role": "analyst"}),
        ("member", "hana@acme.example", 2, {"before": {"role": None}, "after": {"role": "owner"}}),
        ("member", "boss@acme.example", 2, {"before": {"role": "owner"}, "after": {"role": "viewer"}}),
    ]


def test_a_role_on_all_sites_is_taken_away_unless_a_site_would_have_no_owner(command: Command) -> None:
    command("user", "add", "boss@acme.example", "--password-stdin", given=LONG)
    refused = command("user", "role", "boss@acme.example", "none")
    assert (refused.exit_code, "last owner" in refused.output) == (1, True)
    command("user", "add", "next@acme.example", "--password-stdin", given=LONG)
    assert command("user", "role", "boss@acme.example", "none").exit_code == 0
    assert command("user", "list").output.splitlines() == ["boss@acme.example\t-\t-", "next@acme.example\towner\t-"]
    assert "there is no user" in command("user", "role", "nobody@acme.example", "viewer").output


def test_a_new_password_takes_the_place_of_the_old_one(command: Command, store: Engine) -> None:
    command("user", "add", "boss@acme.example", "--password-stdin", given=LONG)
    made = command("user", "password", "boss@acme.example").output.split()[-1]
    with reading(store) as tx:
        assert check_password(tx, "boss@acme.example", LONG.strip()) is None
        found = check_password(tx, "boss@acme.example", made)
    assert found is not None
    assert found.session_no == 1
    assert logged(store)[-1] == ("password", "boss@acme.example", None, {})


def test_sites_tokens_numbers_and_policies_are_logged_too(command: Command, store: Engine, tmp_path: object) -> None:
    command("site", "set", "acmekey", "--dnt")
    command("site", "set", "acmekey", "--dnt")
    command("token", "add", "crm", "--site", "acmekey")
    command("token", "revoke", "crm")
    command("number", "add", "+81355556666", "--site", "acmekey", "--source", "brochure")
    command("number", "remove", "+81355556666", "--site", "acmekey")
    told = command("policy", "set", "-", "--site", "acmekey", "--note", "x", given='{"lead_days": 30}')
    assert told.exit_code == 0, told.output
    assert logged(store) == [
        ("tracking", "acmekey", 1, {"before": {"dnt": False}, "after": {"dnt": True}}),
        ("token", "crm", 1, {"token": "made"}),
        ("token", "crm", 1, {"token": "revoked"}),
        ("numbers", "+81355556666", 1, {"before": {"source": None}, "after": {"source": "brochure"}}),
        ("numbers", "+81355556666", 1, {"before": {"number": "+81355556666"}, "after": {"number": None}}),
        ("policy", "1", 1, {"before": {"lead_days": 90}, "after": {"lead_days": 30}, "note": "x"}),
    ]
