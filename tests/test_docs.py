"""The documentation is true to the code: what there is stands on its page, and pages name nothing that is not."""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import click
import pytest
from babel.messages.pofile import read_po

from api import create_app
from api.errors import STATUS
from api.trust import Audience, audience_of
from tracker import vocabulary
from tracker.cli import main
from tracker.config import Settings
from tracker.jobs import JOBS
from tracker.rebuild import DERIVED
from tracker.reports import catalogue

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for folder in (ROOT, DOCS, ROOT / "bench", ROOT / "tests", ROOT / "static")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if not {"node_modules", "vendor"} & set(path.parts)
)
SOURCES = sorted(
    path
    for folder in ("tracker", "api", "static", "tests", "bench", ".ci")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".js", ".toml", ".html", ".css", ".csv", ".sql", ""}
    and path.is_file()
    and not {"node_modules", "vendor", "__pycache__"} & set(path.parts)
    and path.parent != ROOT / "tests/spec/costs"  # other people's files, in their encodings
) + [ROOT / name for name in ("pyproject.toml", "compose.yaml", "Makefile", "Dockerfile")]
WORDS = [
    enum
    for enum in vars(vocabulary).values()
    if isinstance(enum, type) and issubclass(enum, StrEnum) and enum is not StrEnum
]
# Which macro of the pages translates which enumeration.
MACROS = {
    "Channel": "channel_word",
    "Dimension": "dimension_word",
    "Model": "model_word",
    "PathScope": "scope_word",
    "Basis": "basis_word",
    "DealStatus": "status_word",
    "EntryKind": "deal_change_word",
    "IdentifierKind": "identifier_word",
    "IdentificationKind": "evidence_word",
    "TouchKind": "touch_word",
    "Device": "device_word",
    "Refusal": "refusal_word",
    "Traced": "traced_word",
    "Stage": "shipped_stage_word",
    "Role": "rights_word",
}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def place(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its own or a higher level."""
    match = re.search(rf"^(#+) [^\n]*{re.escape(heading)}[^\n]*\n", text, re.MULTILINE)
    assert match, f"no heading {heading}"
    rest = text[match.end() :]
    end = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a page's tables by the words in backticks of their first cell."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            for word in re.findall(r"`([^`]+)`", cells[0]):
                found.setdefault(word, cells)
    return found


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(text: str) -> Iterator[str]:
    """The lines of code blocks, those that go on joined."""
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()


# --- links ------------------------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE):
        name = slug(heading)
        n = next(n for n in range(1000) if (f"{name}-{n}" if n else name) not in found)
        found.add(f"{name}-{n}" if n else name)
    return found


def broken_links(path: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", without_code(path.read_text(encoding="utf-8")))
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        is_there = there.exists() and (not anchor or (there.suffix == ".md" and anchor in anchors(there)))
        if not is_there:
            wrong.append(f"{place(path)}: {target}")
    return wrong


@pytest.mark.parametrize("path", PAGES, ids=place)
def test_every_link_leads_somewhere(path):
    assert broken_links(path) == []


def test_every_page_is_reached_from_the_index():
    listed = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("index.md", "adr/README.md"))
    assert [place(path) for path in DOCS.rglob("*.md") if path.name not in listed and path.name != "index.md"] == []


def mentions(text: str) -> list[str]:
    """The pages of docs/ that a source file names, with their anchors."""
    return [found.rstrip(".-") for found in re.findall(r"(?<![\w/.-])docs/[\w/.-]*(?:#[\w-]+)?", text)]


def is_documented(mention: str) -> bool:
    name, _, anchor = mention.partition("#")
    path = ROOT / name
    if not path.suffix:
        return path.is_dir() or len(list(path.parent.glob(f"{path.name}-*.md"))) == 1
    return path.exists() and (not anchor or anchor in anchors(path))


def test_what_the_code_says_of_the_pages_is_there():
    wrong = [
        f"{place(path)}: {mention}"
        for path in SOURCES
        if path != Path(__file__)
        for mention in mentions(path.read_text(encoding="utf-8"))
        if not is_documented(mention)
    ]
    assert wrong == []


# --- the command line -------------------------------------------------------------------------------------------------


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command with its path: 'report source'."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(main))


def told(line: str) -> Iterator[list[str]]:
    """The calls of minamoto on a line of a shell, as words."""
    line = re.sub(r"(^|\s)#.*", "", line.replace("docker compose run --rm web ", "minamoto "))
    for part in re.split(r"&&|\|\||[|;]|\$\(|\)\"?$", line):
        if re.match(r"\s*(?:\$ )?minamoto\s", part):
            yield shlex.split(re.sub(r"[<>].*", "", part).replace("$ ", "", 1))[1:]


def mistake(words: list[str], is_whole: bool) -> str | None:
    """Why this is no call of minamoto, or None. `is_whole`: what a command needs must be there, too."""
    command: click.Command = main
    path: list[str] = []
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            known = {option for each in command.params for option in each.opts} | {"-h", "--help"}
            return None if words and words[0] in known else (f"{' '.join(path)} alone" if is_whole else None)
        path.append(words[0])
        found = command.commands.get(words[0])
        if found is None:
            return f"no command {' '.join(path)}"
        command, words = found, words[1:]
    if not is_whole and not words:
        return None
    context = click.Context(command, info_name=" ".join(path))
    try:
        given, extra, _ = command.make_parser(context).parse_args(list(words))
        for parameter in command.params:
            value = given.get(parameter.name or "")
            is_given = isinstance(value, str | list | tuple)
            if is_whole and parameter.required and not is_given:
                return f"{' '.join(path)}: {parameter.name} is missing"
            if isinstance(value, str) and isinstance(parameter.type, click.Choice | click.IntRange):
                parameter.type.convert(value, parameter, context)
    except click.UsageError as error:
        return f"{' '.join(path)}: {error.format_message()}"
    return f"{' '.join(path)}: {extra} too many" if extra else None


def wrong_commands(text: str) -> list[str]:
    wrong = [why for line in blocks(text) for words in told(line) if (why := mistake(words, True))]
    for inline in re.findall(r"`minamoto ([^`\n]+)`", without_code(text)):
        if re.fullmatch(r"[a-z][^…]*", inline) and (why := mistake(shlex.split(inline), False)):
            wrong.append(why)
    return wrong


@pytest.mark.parametrize("path", PAGES, ids=place)
def test_every_command_on_a_page_can_be_given(path):
    assert wrong_commands(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_shown_on_the_page_for_operators(name):
    assert any(" ".join(words).startswith(name) for line in blocks(page("operate.md")) for words in told(line))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_on_the_page_for_operators(name):
    text = section(page("operate.md"), "Commands")
    options = [
        option
        for each in COMMANDS[name].params
        if isinstance(each, click.Option)
        for option in (*each.opts, *each.secondary_opts)
    ]
    assert [option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", text)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_a_commands_help_can_be_given(name):
    lines = [line.strip() for line in (COMMANDS[name].help or "").splitlines() if line.strip().startswith("minamoto ")]
    assert lines
    assert [why for line in lines for words in told(line) if (why := mistake(words, True))] == []


# --- settings, check codes, targets -----------------------------------------------------------------------------------


def test_every_setting_is_on_the_page_for_operators_with_what_it_is_as_shipped():
    table = rows(section(page("operate.md"), "Settings"))
    shown = {name: str(field.default).lower() for name, field in Settings.model_fields.items()}
    told_of = {name: table[f"MINAMOTO_{name.upper()}"][1].strip("`").lower() for name in shown}
    assert told_of == {name: default or "empty" for name, default in shown.items()}


def variables(path: Path) -> list[str]:
    return re.findall(r"MINAMOTO_[A-Z][A-Z_]*", path.read_text(encoding="utf-8"))


def test_no_page_names_a_setting_that_is_not():
    known = {f"MINAMOTO_{name.upper()}" for name in Settings.model_fields}
    for name in ("compose.yaml", "Makefile", ".ci/machine", "tests/databases.py"):
        known |= set(re.findall(r"MINAMOTO_[A-Z_]+", (ROOT / name).read_text(encoding="utf-8")))
    known |= {
        name for path in (ROOT / "bench").rglob("*.py") for name in re.findall(r"MINAMOTO_[A-Z_]+", path.read_text())
    }
    named = {
        (place(path), name) for path in PAGES for name in re.findall(r"MINAMOTO_[A-Z_]+\b", path.read_text("utf-8"))
    }
    assert {(where, name) for where, name in named if name not in known} == set()


def codes(tree: ast.AST) -> set[str]:
    """The numbers of findings that code can give: texts that are one, or begin with one."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {match[0] for text in texts if (match := re.match(r"[EWI]\d{3}\b", text))}


def test_the_page_for_operators_explains_what_check_can_say_and_no_more():
    given = set().union(*(codes(ast.parse(path.read_text("utf-8"))) for path in (ROOT / "tracker").rglob("*.py")))
    assert given
    assert (
        set(rows(section(page("operate.md"), "What minamoto check says")))
        & {word for word in rows(page("operate.md")) if re.fullmatch(r"[EWI]\d{3}", word)}
        == given
    )


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_target_of_make_is_on_the_page_for_contributors():
    table = rows((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert {word.removeprefix("make ") for word in table if word.startswith("make ")} >= targets()


@pytest.mark.parametrize("path", PAGES, ids=place)
def test_no_page_names_a_target_that_is_not(path):
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", text))
    named |= {word for line in blocks(text) for word in re.findall(r"^\s*(?:\$ )?make ([a-z-]+)", line)}
    assert named <= targets()


def test_all_background_work_is_on_the_page_for_operators():
    assert [job.name for job in JOBS if f"`{job.name}`" not in page("operate.md")] == []


# --- routes and errors ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    return create_app(Settings(database_url=f"sqlite:///{folder}/docs.sqlite3", demo=True))


def routes(app) -> Iterator[tuple[str, str, str]]:
    """(method, rule, page) of each route."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            is_api = audience_of(app, rule.endpoint) is Audience.CRM
            yield method, rule.rule, "http-api.md" if is_api else "operate.md"


def asked_for(text: str) -> set[tuple[str, str]]:
    """The routes that a page names, as 'GET /path'; what is variable becomes <>."""
    found = re.findall(r"\b(GET|PUT|POST|DELETE|PATCH) (/[^\s`?,)\"|]*)", text)
    return {(method, re.sub(r"[<{][^>}]*[>}]", "<>", path.removesuffix("."))) for method, path in found}


def is_known(method: str, path: str, known: set[tuple[str, str]]) -> bool:
    """Whether a page's route is one of the application's; of the API also without its prefix; '…' is let be."""
    if "…" in path:
        return True
    patterns = {
        (one, re.sub(r"<[^>]*>", "[^/]+", re.sub(r"\.(?![^<]*>)", r"\.", rule.removeprefix(prefix))))
        for one, rule in known
        for prefix in ("", "/api/v1")
    }
    return any(one == method and re.fullmatch(pattern, path) for one, pattern in patterns)


def test_every_route_is_on_its_page(app):
    missing = []
    for method, rule, name in routes(app):
        text = page(name)
        named = asked_for(text) | {(method, path.replace("/api/v1", "", 1)) for method, path in asked_for(text)}
        plain = re.sub(r"<[^>]*>", "<>", rule)
        in_group = rule.startswith("/demo/") and "`/demo/…`" in text
        if (method, plain) not in named and (method, plain.removeprefix("/api/v1")) not in named and not in_group:
            missing.append(f"{name}: {method} {rule}")
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=place)
def test_no_page_names_a_route_that_is_not(app, path):
    known = {(method, rule) for method, rule, _ in routes(app)}
    named = asked_for(path.read_text(encoding="utf-8"))
    assert [f"{method} {rule}" for method, rule in sorted(named) if not is_known(method, rule, known)] == []


def test_every_error_has_its_status_on_the_page_for_developers_and_for_clients():
    table = rows(section(page("architecture.md"), "Errors"))
    assert {kind.__name__: int(table[kind.__name__][1]) for kind in STATUS} == {
        kind.__name__: status for kind, status in STATUS.items()
    }
    assert [status for status in STATUS.values() if str(status) not in page("http-api.md")] == []


def test_every_refusal_has_its_answer_on_the_page_for_operators():
    from api.door import STATUS as ANSWERS

    table = rows(section(page("operate.md"), "What is refused"))
    assert set(table) >= {reason.value for reason in vocabulary.Refusal}
    assert [r.value for r, status in ANSWERS.items() if not table[r.value][1].startswith(str(status))] == []


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def japanese() -> Mapping[str, str]:
    """The Japanese of each message of the pages."""
    with (ROOT / "api/translations/ja/LC_MESSAGES/messages.po").open("rb") as file:
        catalog = read_po(file, locale="ja")
    return {message.id: str(message.string) for message in catalog if isinstance(message.id, str) and message.id}


def labels(macro: str) -> dict[str, str]:
    """What a macro of the pages calls each stored word, in English."""
    text = (ROOT / "api/pages/templates/_words.html").read_text(encoding="utf-8")
    body = text.split(f"{{% macro {macro}(", 1)[1].split("{%- endmacro %}", 1)[0]
    return dict(re.findall(r"key == '([^']+)'[^%]*%\}\{\{ _\('([^']+)'\)", body))


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_the_glossary_has_every_stored_word_and_no_other(words):
    table = rows(section(page("glossary.md"), f"(`{words.__name__}`)"))
    assert list(table) == [word.value for word in words]
    assert [word for word, cells in table.items() if not cells[2]] == []


@pytest.mark.parametrize(
    "words", [words for words in WORDS if words.__name__ in MACROS], ids=lambda words: words.__name__
)
def test_the_glossary_has_the_japanese_that_the_pages_show(words, japanese):
    shown = labels(MACROS[words.__name__])
    assert shown
    table = rows(section(page("glossary.md"), f"(`{words.__name__}`)"))
    expected = {word.value: japanese[shown[word.value]] for word in words if word.value in shown}
    assert {word: table[word][1] for word in expected} == expected


def test_the_japanese_of_the_glossarys_own_words_is_used_on_the_pages(japanese):
    used = " ".join(japanese.values())
    table = section(page("glossary.md"), "The words")
    cells = [line.split("|")[2].strip() for line in table.splitlines() if line.startswith("|")][2:]
    words = [word for cell in cells for word in re.split(r"[、,]\s*", cell) if word != "–"]
    assert len(words) > 20
    assert [word for word in words if word not in used] == []


@pytest.mark.parametrize("metric", catalogue.METRICS, ids=lambda metric: metric.key)
def test_every_metric_is_on_the_page_for_reports(metric):
    assert f"`{metric.key}`" in page("reports.md")


ANY_PROCESS = ("process_", "python_")


def test_every_figure_for_prometheus_is_on_the_page_for_operators_and_no_other(app):
    families = [one for one in app.extensions["minamoto_metrics"].collect() if not one.name.startswith(ANY_PROCESS)]
    suffix = {"counter": "_total", "info": "_info"}
    given = {one.name + suffix.get(one.type, "") for one in families}
    # What there is only once there are hits, or once some were pruned.
    given |= {f"minamoto_journal_{what}_timestamp_seconds" for what in ("oldest", "horizon")}
    told = rows(section(page("operate.md"), "Metrics"))
    assert {word for word in told if word.startswith("minamoto_")} == given
    asked = set(re.findall(r"minamoto_[a-z_]+", section(page("operate.md"), "Metrics")))
    assert asked <= given


@pytest.mark.parametrize("dimension", catalogue.DIMENSIONS, ids=lambda dimension: dimension.key)
def test_every_dimension_is_on_the_page_for_reports(dimension):
    assert f"`{dimension.key}`" in page("reports.md")


def test_every_basis_and_every_note_of_a_report_is_on_its_page():
    text = page("reports.md")
    assert [word for word in [*vocabulary.Basis, *catalogue.NOTES] if f"`{word}`" not in text] == []


def test_every_model_is_on_the_page_for_attribution():
    assert [model for model in vocabulary.Model if f"`{model}`" not in page("attribution.md")] == []


def test_every_table_has_its_layer_on_the_page_for_developers():
    from tracker.db.schema import metadata

    text = section(page("architecture.md"), "Three layers of tables")
    assert [name for name in metadata.tables if f"`{name}`" not in text] == []
    derived = next(line for line in text.splitlines() if line.startswith("| **derived**"))
    assert set(re.findall(r"`([a-z_]+)`", derived.split("|")[2])) == {table.name for table in DERIVED}


# --- files ------------------------------------------------------------------------------------------------------------


def files_named(text: str) -> set[str]:
    """Paths of the repository that stand in backticks."""
    roots = "tracker|api|static|tests|docs|bench"
    return set(re.findall(rf"`((?:{roots})/[\w./-]+)`", text))


@pytest.mark.parametrize("path", PAGES, ids=place)
def test_every_file_that_a_page_names_is_there(path):
    named = files_named(path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(name + "*"))] == []


# --- the checks find what they are for --------------------------------------------------------------------------------


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# The `wire` format\n# The wire format\n", encoding="utf-8")
    page_ = tmp_path / "page.md"
    page_.write_text(
        "[a](there.md) [b](there.md#the-wire-format) [c](there.md#the-wire-format-1) [d](gone.md) [e](there.md#gone)\n"
        "[f](#page) [g](#gone)\n# Page\n```\n[h](gone.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(page_) == ["page.md: gone.md", "page.md: there.md#gone", "page.md: #gone"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("minamoto sites list", "no command sites"),
        ("minamoto report source --site K --from 2026-04-01", "report source: to_day is missing"),
        ("x | minamoto user add a@b.example --admin", "user add: No such option '--admin'"),
        ("minamoto user add", "user add: email is missing"),
        ("minamoto serve --port 99999", "serve: "),
        ("docker compose run --rm web check now", "check: ['now'] too many"),
        ("minamoto db", "db alone"),
    ],
)
def test_a_command_that_cannot_be_given_is_found(line, why):
    (found,) = wrong_commands(f"```sh\n{line}\n```\n")
    assert found.startswith(why)


def test_commands_that_can_be_given_are_let_be():
    text = (
        "```sh\nminamoto site add 'A' --host a --host b   # minamoto nonsense\n$ minamoto --version\n"
        "KEY=$(minamoto site list | cut -f1)\nminamoto report source --site K \\\n  --from a --to b > x.csv\n```\n"
        "`minamoto report source`, `minamoto rebuild` and `minamoto COMMAND --help`\n"
    )
    assert wrong_commands(text) == []


def test_findings_are_told_from_other_texts():
    assert codes(ast.parse('Finding("E001", "x"); raise Unready(f"E002 {x}"); y = "EUR"; z = "I0012"')) == {
        "E001",
        "E002",
    }


def test_mentions_of_pages_are_found_and_checked():
    found = mentions("See docs/operate.md#settings, docs/adr/0009) and docs/gone.md. https://a.example/docs/x.html")
    assert found == ["docs/operate.md#settings", "docs/adr/0009", "docs/gone.md"]
    assert [is_documented(one) for one in found] == [True, True, False]
    assert not is_documented("docs/operate.md#gone")
    assert not is_documented("docs/adr/0099")


def test_routes_and_files_are_found_in_a_text():
    text = "`GET /contacts/{id}` and\nPUT /api/v1/deals/<reference>, see `tracker/flow.py` and `api/gone.py`"
    assert asked_for(text) == {("GET", "/contacts/<>"), ("PUT", "/api/v1/deals/<>")}
    assert files_named(text) == {"tracker/flow.py", "api/gone.py"}


def test_routes_are_known_with_values_and_without_the_prefix():
    known = {("PUT", "/api/v1/deals/<reference>"), ("GET", "/m.js"), ("GET", "/reports/source.<form>")}
    right = [("PUT", "/deals/D-1"), ("PUT", "/api/v1/deals/<>"), ("GET", "/m.js"), ("GET", "/reports/source.csv")]
    wrong = [("GET", "/deals/D-1"), ("PUT", "/deals"), ("PUT", "/deals/D-1/x"), ("GET", "/mxjs")]
    assert [is_known(*one, known) for one in right + wrong] == [True] * 4 + [False] * 4
