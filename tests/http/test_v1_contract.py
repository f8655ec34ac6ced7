"""The OpenAPI document: whole, true to what the routes answer, and readable as a page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.v1 import (
    accounts,
    companies,
    contacts,
    cost_imports,
    cost_rules,
    costs,
    deals,
    events,
    mail,
    pipelines,
    policies,
    surveys,
)
from api.v1.definitions import EXAMPLE as DEFINITION
from tests.world import Program, World
from tracker.costfiles import import_file
from tracker.db.store import begin
from tracker.reports.journey import NOTES
from tracker.vocabulary import DealStatus, DealType, HitKind

EXPORT = Path(__file__).parents[1] / "spec/costs/google_ads_en.csv"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    answer = world.app.test_client().get("/api/openapi.json")
    assert answer.status_code == 200
    found = answer.json
    assert found is not None
    return dict(found)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema and of what is inside it."""
    for name, inner in schema.get("properties", {}).items():
        yield name, inner
        yield from properties(inner)
        yield from properties(inner.get("items", {}))


def test_it_is_openapi_3_1_with_a_bearer_token(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert all(operation["security"] == [{"token": []}] for _, _, operation in operations(document))


def test_it_holds_exactly_the_routes_there_are(world: World, document: dict[str, Any]) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/v1/")
    }
    assert {(method, path) for method, path, _ in operations(document)} == routes
    assert len(routes) >= 36


def test_each_operation_has_an_id_a_tag_a_summary_and_an_example(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in document["tags"]}
    for method, _, operation in operations(document):
        assert set(operation["tags"]) <= tags
        assert operation["summary"].endswith(".")
        assert operation["x-codeSamples"][0]["source"].startswith("curl ")
        if method not in {"GET", "DELETE"}:
            assert operation["requestBody"]["required"] is True
            assert operation["requestBody"]["content"]["application/json"]["example"]


def test_each_field_and_parameter_is_described_with_an_example(document: dict[str, Any]) -> None:
    bare = []
    for model, schema in document["components"]["schemas"].items():
        for name, field in properties(schema):
            whole = json.dumps(field)
            is_nested = "$ref" in whole or field.get("type") == "array"
            if "description" not in field or not (is_nested or "examples" in whole or "enum" in whole):
                bare.append(f"{model}.{name}")
    for _, path, operation in operations(document):
        bare += [f"{path} {one['name']}" for one in operation["parameters"] if "description" not in one]
    assert bare == []


def test_each_operation_documents_its_problems(document: dict[str, Any]) -> None:
    for method, _, operation in operations(document):
        expected = {"401", "404", "422", "429"} | ({"413", "415"} if method not in {"GET", "DELETE"} else set())
        assert expected <= set(operation["responses"])
        for code, answer in operation["responses"].items():
            if code >= "400":
                assert list(answer["content"]) == ["application/problem+json"]
    conflicts = {one["operationId"] for _, _, one in operations(document) if "409" in one["responses"]}
    assert conflicts == {
        "put_contact",
        "put_deal",
        "put_policy",
        "put_stages",
        "merge_contact",
        "split_contact",
        "undo_cost_import",
        "finish_task",
    }


def test_words_in_the_contract_are_those_that_are_stored(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Deal"]["properties"]["status"]["enum"] == [word.value for word in DealStatus]
    assert schemas["Deal"]["properties"]["type"]["enum"] == [word.value for word in DealType]
    told_by_programs = [word.value for word in HitKind if word is not HitKind.LEAVE]  # only a browser knows of that
    assert schemas["EventIn"]["properties"]["kind"]["enum"] == told_by_programs


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for part in text.split('"$ref": "')[1:]:
        assert part.split('"', 1)[0].rsplit("/", 1)[1] in document["components"]["schemas"]


def test_the_examples_work(world: World, crm: Program) -> None:
    world.clock.forward(days=30)
    assert crm.put("/contacts", contacts.EXAMPLE).status_code == 201
    other = crm.put("/contacts", {"email": "hana@home.example"}).json
    assert other is not None
    assert crm.post(f"/contacts/{other['id']}/merge", contacts.MERGE_EXAMPLE).status_code == 200
    assert crm.post(f"/contacts/{other['id']}/split", contacts.SPLIT_EXAMPLE).status_code == 200
    assert crm.put("/companies/kyoto.example", companies.EXAMPLE).status_code == 200
    assert crm.put("/accounts/kyoto.example", accounts.EXAMPLE).status_code == 201
    assert crm.put("/deals/D-1", deals.EXAMPLE).status_code == 201
    assert crm.put("/pipelines/sales", pipelines.EXAMPLE).status_code == 200
    assert crm.put("/costs", costs.EXAMPLE).status_code == 200
    with begin(world.store) as tx:
        *_, told = import_file(tx, world.acme, EXPORT, {}, world.clock())
    path = f"/costs/imports/{told.removeprefix('import: ')}/undo"
    assert crm.post(path, cost_imports.EXAMPLE).status_code == 200
    assert crm.put("/costs/rules", cost_rules.EXAMPLE).status_code == 200
    assert crm.post("/events", events.EXAMPLE).status_code == 202
    assert crm.post("/policy/try", policies.TRIAL).status_code == 200
    assert crm.put("/policy", policies.EXAMPLE).status_code == 200
    assert crm.post("/definitions", DEFINITION).status_code == 201
    assert crm.post("/mail/events", mail.EXAMPLE).status_code == 200
    assert crm.post("/mail/sendgrid", mail.SENDGRID_EXAMPLE).json == {"accepted": 1, "duplicates": 0, "ignored": {}}
    assert crm.put("/mail/programmes/welcome", mail.PROGRAMME_EXAMPLE).status_code == 200
    assert crm.post("/mail/links", mail.LINK_EXAMPLE).status_code == 201
    assert crm.post("/nps", surveys.EXAMPLE).status_code == 200
    assert crm.post("/surveys", surveys.SURVEY_EXAMPLE).status_code == 201


def test_the_page_shows_every_route_field_and_error_without_script(world: World, document: dict[str, Any]) -> None:
    answer = world.app.test_client().get("/api/docs")
    assert answer.status_code == 200
    page = answer.text
    for method, path, operation in operations(document):
        assert f">{method}</span> <code>{path}</code>" in page
        assert f'id="{operation["operationId"]}"' in page
    for code in (400, 401, 404, 409, 413, 415, 422, 429, 500, 503):
        assert f'id="problem-{code}"' in page
    for name in ("costs[].amount_minor", "events[].contact.email", "first_channel", "lookback_days"):
        assert f"<code>{name}</code>" in page
    for unwanted in ("<script>", "style=", "onclick", "javascript:"):
        assert unwanted not in page
    assert "人と売上がどこから来たか" in page


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
def test_whatever_is_sent_the_answer_is_as_documented(world: World, crm: Program, mode: GenerationMode) -> None:
    known = {"contact_id": world.walk(), "reference": "D-1"}
    known |= {"name": "sales", "domain": "kyoto.example"}
    crm.put(
        "/deals/D-1",
        {"amount": 1, "status": "won", "pipeline": "sales", "stage": "done", "contacts": [{"id": known["contact_id"]}]},
    )
    known["link_id"] = (crm.post("/mail/links", mail.LINK_EXAMPLE).json or {})["id"]
    known["survey_id"] = (crm.post("/surveys", surveys.SURVEY_EXAMPLE).json or {})["id"]
    credit = crm.get("/deals/D-1/explain").json or {}
    known |= {"conversion_id": credit["conversion_id"], "touchpoint_id": credit["path"][0]["touch"]["id"]}
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", world.app)
    is_valid = mode is GenerationMode.POSITIVE
    n = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        wanted = {name: value for name, value in known.items() if f"{{{name}}}" in operation.path}
        path = wanted if is_valid and operation.method == "get" else None
        answers_as_documented(operation.as_strategy(generation_mode=mode, path_parameters=path), world.token, is_valid)
        n += 1
    assert n >= 36


def answers_as_documented(cases: SearchStrategy[schemathesis.Case], token: str, is_valid: bool) -> None:
    headers = {"Authorization": f"Bearer {token}"}

    @hypothesis.given(case=cases)
    @settings(
        max_examples=6,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def each(case: schemathesis.Case) -> None:
        if is_valid:
            case.query.pop("site", None)  # any other site is 404, and that would be the whole test
        checks = CHECKS if is_valid else [*CHECKS, negative_data_rejection]
        case.validate_response(case.call(headers=headers), checks=checks, headers=headers)

    each()


def test_each_routes_example_stands_in_the_docs(document: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs/http-api.md").read_text(encoding="utf-8")
    samples = [operation["x-codeSamples"][0]["source"] for _, _, operation in operations(document)]
    assert [sample for sample in samples if f"```sh\n{sample}\n```" not in page] == []


def test_each_field_for_the_crm_stands_in_the_docs(document: dict[str, Any]) -> None:
    page = (Path(__file__).parents[2] / "docs/crm-fields.md").read_text(encoding="utf-8")
    names = set(document["components"]["schemas"]["Attribution"]["properties"])
    once = {re.sub("^(lead|last)_", "first_", name) for name in names}
    wanted = {name if name in names else name.replace("first_", "lead_", 1) for name in once}
    assert [name for name in sorted(wanted | set(NOTES)) if f"`{name}`" not in page] == []
