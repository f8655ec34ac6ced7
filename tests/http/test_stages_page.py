"""The page of a site's stages, and files of stages: what is asked, shown, refused and done."""

import io
import json
import re
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select

from tests.people import SQLITE_ONLY, browser_of, send
from tests.world import Program, World
from tracker.db.schema import audit, crm_changes, lifecycles, site_stages, stage_changes, stage_drafts
from tracker.db.store import begin, reading
from tracker.lifecycle.settled import stages_of
from tracker.lifecycle.stages import SHIPPED
from tracker.vocabulary import Audited, Role

pytestmark = SQLITE_ONLY
EVIL = '"><script>alert(1)</script>'
Row = tuple[str, str, str]


def form(rows: list[Row], **more: str) -> dict[str, str]:
    """What the page's form sends: (name, order, label) of each row; a name that is not shipped is a new one."""
    found: dict[str, str] = dict(more)
    for n, (name, order, label) in enumerate(rows):
        found |= {f"stage_{n}": name, f"order_{n}": order, f"label_{n}": label}
        if name not in SHIPPED:
            found[f"new_{n}"] = "1"
    return found


def shipped() -> list[Row]:
    return [(name, str(10 * place), "") for place, name in enumerate(SHIPPED.names, 1)]


def stages_kept(world: World) -> list[tuple[str, str | None]]:
    with reading(world.store) as tx:
        return [(one.name, one.label) for one in stages_of(tx, world.acme.site_id).all]


def noted(world: World, action: Audited) -> list[tuple[str, dict[str, Any]]]:
    with reading(world.store) as tx:
        query = select(audit.c.actor, audit.c.details).where(audit.c.action == action.value)
        return [(actor, dict(details)) for actor, details in tx.execute(query.order_by(audit.c.audit_id))]


def is_restaging(world: World) -> bool:
    with reading(world.store) as tx:
        return tx.execute(select(lifecycles.c.restaged_id)).scalars().all() == [""]


def test_an_owner_adds_a_stage_and_names_one_and_everybody_is_derived_anew(world: World) -> None:
    owner = browser_of(world)
    rows = [(name, order, "Advocate" if name == "evangelist" else "") for name, order, _ in shipped()]
    answer = send(owner, "/stages", form([*rows, ("trial", "45", "Free trial")]))
    assert (answer.status_code, answer.location) == (302, "/stages?site=acmekey")
    kept = stages_kept(world)
    assert [name for name, _ in kept][3:6] == ["salesqualifiedlead", "trial", "opportunity"]
    assert dict(kept)["evangelist"] == "Advocate"
    assert is_restaging(world)
    page = owner.get("/stages").text
    assert "are being derived anew" in page
    ((actor, details),) = noted(world, Audited.STAGES)
    assert actor == "user owner@acme.example"
    assert {"stage": "trial", "label": "Free trial"} in details["after"]
    assert "trial" not in json.dumps(details["before"])


def test_saving_what_stands_writes_nothing(world: World) -> None:
    assert send(browser_of(world), "/stages", form(shipped())).status_code == 302
    with reading(world.store) as tx:
        assert tx.execute(select(site_stages)).all() == []
    assert noted(world, Audited.STAGES) == []


def test_another_label_alone_derives_nobody_anew(world: World) -> None:
    rows = [(name, order, "見込み客" if name == "lead" else "") for name, order, _ in shipped()]
    assert send(browser_of(world), "/stages", form(rows)).status_code == 302
    assert dict(stages_kept(world))["lead"] == "見込み客"
    assert not is_restaging(world)


def test_buttons_move_a_stage_a_place_and_take_one_away(world: World) -> None:
    owner = browser_of(world)
    send(owner, "/stages", form(shipped(), up="evangelist"))
    assert [name for name, _ in stages_kept(world)][5:7] == ["evangelist", "customer"]
    send(owner, "/stages", form(shipped(), down="opportunity"))
    assert [name for name, _ in stages_kept(world)][4:6] == ["customer", "opportunity"]
    send(owner, "/stages", form(shipped(), take="subscriber"))
    assert next(name for name, _ in stages_kept(world)) == "lead"


def test_a_stage_that_somebody_is_in_stays_and_so_do_those_that_reports_count(world: World, crm: Program) -> None:
    crm.put("/contacts", {"email": "hana@kyoto.example", "stage": "opportunity"})
    owner = browser_of(world)
    page = owner.get("/stages").text
    assert 'href="/contacts?stage=opportunity">1</a>' in page
    assert 'name="take" value="evangelist"' in page
    assert 'name="take" value="opportunity"' not in page
    assert 'name="take" value="lead"' not in page
    for gone, why in (("opportunity", "somebody is in it"), ("lead", "reports count them")):
        answer = send(owner, "/stages", form(shipped(), take=gone))
        assert answer.status_code == 422
        assert why in answer.text
    assert stages_kept(world) == [(name, None) for name in SHIPPED.names]


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(world: World) -> None:
    owner = browser_of(world)
    for row, why in (
        (("Große Stufe", "5", ""), "Small letters a to z"),
        (("trial", "5", "x" * 81), "At most 80 characters"),
        (("trial", "first", ""), "A whole number, or nothing"),
    ):
        answer = send(owner, "/stages", form([*shipped(), row]))
        assert answer.status_code == 422
        assert why in answer.text
        assert "aria-invalid" in answer.text
    twice = send(owner, "/stages", {**form([*shipped(), ("trial", "5", "")]), "stage_8": "lead"})
    assert twice.status_code == 422
    assert "This stage is there already" in twice.text
    assert stages_kept(world) == [(name, None) for name in SHIPPED.names]


def test_a_viewer_reads_the_stages_and_changes_nothing(world: World) -> None:
    viewer = browser_of(world, Role.VIEWER)
    page = viewer.get("/stages").text
    assert "Stages in their order" in page
    assert 'name="stage_0"' not in page
    assert "/stages/import" not in page
    assert send(viewer, "/stages", form(shipped(), take="subscriber")).status_code == 403
    assert send(browser_of(world, Role.ANALYST), "/stages", form(shipped(), take="subscriber")).status_code == 403


def test_settings_are_kept_and_written_down(world: World) -> None:
    owner = browser_of(world)
    assert send(owner, "/stages/settings", {"people_follow_company": "1"}).status_code == 302
    ((_, details),) = noted(world, Audited.STAGES)
    assert details["before"] == {"needs_sign_off": True, "people_follow_company": False}
    assert details["after"] == {"needs_sign_off": False, "people_follow_company": True}
    assert is_restaging(world)
    send(owner, "/stages/settings", {"people_follow_company": "1"})
    assert len(noted(world, Audited.STAGES)) == 1


def test_every_page_names_stages_as_the_site_does_and_its_words_are_only_text(world: World, crm: Program) -> None:
    contact_id = world.walk()
    owner = browser_of(world)
    rows = [(name, order, {"lead": EVIL, "customer": "お客様"}.get(name, "")) for name, order, _ in shipped()]
    send(owner, "/stages", form([*rows, ("12345", "15", "Event guest")]))
    for stage in ("lead", "12345", "customer"):
        world.clock.forward(days=1)
        assert crm.put("/contacts", {"email": "hana@kyoto.example", "stage": stage}).status_code == 200
    for page in (f"/contacts/{contact_id}", "/contacts", "/companies", "/companies/kyoto.example", "/stages"):
        text = owner.get(page).text
        assert "お客様" in text, page
        assert "<script>alert" not in text, page
    person = owner.get(f"/contacts/{contact_id}").text
    assert "Event guest" in person
    assert "&lt;script&gt;alert" in person
    file = owner.get("/contacts.csv").text
    assert "customer" in file
    assert "お客様" not in file
    assert ",0,0,0," in owner.get("/companies.csv").text
    assert "Stage: 12345" in owner.get("/companies.csv").text


def test_a_stage_of_the_sites_own_is_set_and_filtered_by_and_an_unknown_one_refused(world: World, crm: Program) -> None:
    contact_id = world.walk()
    owner = browser_of(world)
    send(owner, "/stages", form([*shipped(), ("trial", "45", "Free trial")]))
    send(owner, f"/contacts/{contact_id}/stage", {"stage": "trial"})
    assert "hana@kyoto.example" in owner.get("/contacts?stage=trial").text
    assert "hana@kyoto.example" not in owner.get("/contacts?stage=lead").text
    assert owner.get("/contacts?stage=gone").status_code == 422
    answer = crm.put("/contacts", {"email": "hana@kyoto.example", "stage": "gone"})
    assert answer.status_code == 422
    assert "trial" in answer.text
    refused = send(owner, f"/contacts/{contact_id}/stage", {"stage": "gone"}, follow_redirects=True)
    assert "Choose a stage" in refused.text


def test_a_contact_tells_how_long_it_was_in_each_stage_and_what_decided(world: World, crm: Program) -> None:
    contact_id = world.walk()
    for days, stage in ((1, "lead"), (3, "marketingqualifiedlead"), (20, "lead")):
        world.clock.forward(days=days)
        crm.put("/contacts", {"email": "hana@kyoto.example", "stage": stage})
    world.clock.forward(days=12)
    with begin(world.store) as tx:
        proof = [[1_775_000_000_000, "form", f"demo request of 0120-444-444 {EVIL}"]]
        by_rule = {"cause": "rule", "decided_by": "asked for a demo", "version": 3, "evidence": proof}
        tx.execute(stage_changes.update().where(stage_changes.c.position == 1).values(**by_rule))
    text = browser_of(world).get(f"/contacts/{contact_id}").text
    table = text.split("stage-times")[1].split("</tbody>")[0]
    times = [re.sub(r"<[^>]+>", " ", row).split() for row in table.split("<tr>")[2:]]
    assert [row[0] for row in times] == ["Lead", "MQL"]
    assert times[0][-2:] == ["12", "15"]
    assert times[1][-2:] == ["20", "20"]
    assert "asked for a demo" in text
    assert "definition, version 3" in text
    assert "demo request of 0120-444-444" in text
    assert "<script>alert" not in text
    viewer = browser_of(world, Role.VIEWER).get(f"/contacts/{contact_id}").text
    assert "asked for a demo" in viewer
    assert "0120-444-444" not in viewer


# --- files ----------------------------------------------------------------------------------------------------------


def sent(browser: FlaskClient, content: bytes, name: str = "stages.csv") -> Any:
    return send(browser, "/stages/import", {"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def people(crm: Program, **stages: str | None) -> None:
    for who, stage in stages.items():
        told = {"email": f"{who}@kyoto.example", "crm_id": f"7-{who}", **({"stage": stage} if stage else {})}
        assert crm.put("/contacts", told).status_code < 300


def stage_of(crm: Program, who: str) -> str | None:
    found = crm.get(f"/contacts?email={who}@kyoto.example").json
    assert found is not None
    stage: str | None = found["data"][0]["stage"]
    return stage


def test_a_file_is_looked_at_then_taken_in_and_the_same_again_changes_nothing(world: World, crm: Program) -> None:
    people(crm, hana="lead", ken="customer", mei=None)
    world.clock.forward(days=1)
    analyst = browser_of(world, Role.ANALYST)
    content = (
        "\ufeffE-mail,Lifecycle Stage,Comment\n"
        'hana@kyoto.example,Marketing Qualified Lead,=HYPERLINK("http://evil.example")\n'
        "ken@kyoto.example,SQL,\n"
        "mei@kyoto.example,lead,\n"
        "nobody@kyoto.example,lead,\n"
        "hana@kyoto.example,Very hot,\n"
    ).encode()
    answer = sent(analyst, content)
    assert answer.status_code == 302
    preview = analyst.get(answer.location).text
    tally = re.findall(r"<strong[^>]*>(\d+)</strong>", preview)
    assert tally == ["5", "3", "1", "0", "2"]
    assert "goes back" in preview
    assert "nobody is known by this" in preview
    assert "is none of the site’s stages" in preview
    assert stage_of(crm, "hana") == "lead"
    path = answer.location.split("?")[0]
    done = send(analyst, f"{path}/load", {}, follow_redirects=True)
    assert "3 people’s stages were set" in done.text
    assert [stage_of(crm, who) for who in ("hana", "ken", "mei")] == [
        "marketingqualifiedlead",
        "salesqualifiedlead",
        "lead",
    ]
    ((actor, details),) = noted(world, Audited.STAGE)
    assert (actor, details) == ("user analyst@acme.example", {"people": 3, "changes": 3, "rows": 5})
    with reading(world.store) as tx:
        query = select(stage_changes.c.decided_by).where(stage_changes.c.cause == "import").distinct()
        assert tx.execute(query).scalars().all() == ["file stages.csv"]
        assert tx.execute(select(stage_drafts)).all() == []
        n_words = len(tx.execute(select(crm_changes)).all())
    world.clock.forward(days=1)
    again = sent(analyst, content)
    assert re.findall(r"<strong[^>]*>(\d+)</strong>", analyst.get(again.location).text) == ["5", "0", "0", "3", "2"]
    send(analyst, again.location.split("?")[0] + "/load", {})
    with reading(world.store) as tx:
        assert len(tx.execute(select(crm_changes)).all()) == n_words


def test_a_file_of_shift_jis_with_dates_takes_its_place_in_the_past(world: World, crm: Program) -> None:
    people(crm, hana="lead")
    analyst = browser_of(world, Role.ANALYST)
    told = (
        "CRMのID\tステージ\t日付\n7-hana\t見込み客\t2026/3/1\n7-hana\tMQL\t2026年3月5日 14:30\n7-hana\t顧客\t4/5/2026\n"
    )
    answer = sent(analyst, told.encode("cp932"))
    preview = analyst.get(answer.location).text
    assert re.findall(r"<strong[^>]*>(\d+)</strong>", preview) == ["3", "2", "0", "0", "1"]
    assert "begins with the year" in preview
    send(analyst, answer.location.split("?")[0] + "/load", {})
    found = crm.get("/contacts?email=hana@kyoto.example").json
    assert found is not None
    times = crm.get(f"/contacts/{found['data'][0]['id']}").json
    assert times is not None
    assert [(one["stage"], one["first_entered_at"]) for one in times["stage_times"]] == [
        ("lead", "2026-02-28T15:00:00.000Z"),
        ("marketingqualifiedlead", "2026-03-05T05:30:00.000Z"),
    ]


def test_files_that_cannot_be_read_are_refused_with_the_reason(world: World) -> None:
    analyst = browser_of(world, Role.ANALYST)
    for content, why in (
        (b"", "the file is empty"),
        (b"E-mail,Stage\n" + b"a@b.example,lead\n" * 125_000, "the file has more than 2 MB"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "no text in UTF-8 or Shift_JIS"),
        (b"Name,Phone\nHana,1\n", "has no column “Stage”"),
        (b"Name,Stage\nHana,lead\n", "has no column “E-mail”"),
        (b'E-mail,Stage\n"hana@kyoto.example,lead\n', "the file cannot be read"),
    ):
        answer = sent(analyst, content)
        assert answer.status_code == 422, why
        assert why.lower() in answer.text.lower()
    assert sent(analyst, b"E-mail,Stage\n" + b"x" * 3_000_000).status_code == 413
    with reading(world.store) as tx:
        assert tx.execute(select(stage_drafts)).all() == []


def test_what_a_file_says_is_only_ever_text(world: World, crm: Program) -> None:
    people(crm, hana="lead")
    analyst = browser_of(world, Role.ANALYST)
    quoted = EVIL.replace('"', '""')
    rows = f'E-mail,Stage\nhana@kyoto.example,customer\n"{quoted}",lead\nhana@kyoto.example,"{quoted}"\n'
    answer = sent(analyst, rows.encode(), EVIL)
    preview = analyst.get(answer.location).text
    assert "<script>alert" not in preview
    assert "&lt;script&gt;" in preview
    send(analyst, answer.location.split("?")[0] + "/drop", {})
    assert analyst.get(answer.location).status_code == 404
    assert stage_of(crm, "hana") == "lead"


def test_a_file_of_another_site_is_not_found(world: World, crm: Program) -> None:
    people(crm, hana="lead")
    answer = sent(browser_of(world, Role.ANALYST), b"E-mail,Stage\nhana@kyoto.example,customer\n")
    other = browser_of(world, Role.OWNER, email="carol@other.example", site="carolkey")
    path = answer.location.split("?")[0]
    assert other.get(path).status_code == 404
    assert send(other, f"{path}/load", {}).status_code == 404
    assert stage_of(crm, "hana") == "lead"
