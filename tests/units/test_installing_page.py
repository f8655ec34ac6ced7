"""What a page tells of the tag, and what a check's hits tell: found, foreign, twice, held back, refused, kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.installing.heard import Tried, judge_heard
from tracker.installing.page import Finding, Level, judge_page

URL = "https://www.acme.example/shop/"
SRC = "https://track.example.net/m.js?site=KEY"
TAG = f'<script async src="{SRC}"></script>'


def keys(html: str, *policies: str, url: str = URL) -> list[str]:
    return [one.key for one in judge_page(html, url, policies, key="KEY", tag_src=SRC)]


PAGES: dict[str, tuple[str, list[str]]] = {
    "as it should be": (f"<head>{TAG}</head><body>", ["tag_found", "no_policy"]),
    "without head and body": (TAG, ["tag_found", "no_policy"]),
    "a path of the site's own": ('<script async src="/tea/m.js?site=KEY"></script>', ["tag_found", "no_policy"]),
    "under another name": ('<script defer src="/leaf.js?site=KEY"></script>', ["tag_found", "no_policy"]),
    "the older form": (
        '<script async src="https://track.example.net/m.js" data-site="KEY"></script>',
        ["tag_found", "old_tag", "no_policy"],
    ),
    "nothing": ("<head></head><body>Hello", ["no_tag", "no_policy"]),
    "in a comment": (f"<!-- {TAG} -->", ["no_tag", "no_policy"]),
    "in a text": (f"<textarea>{TAG}</textarea><title>{TAG}</title>", ["no_tag", "no_policy"]),
    "in a script": (f"<script>var a = '{TAG.replace('</script>', '')}'</script>", ["no_tag", "no_policy"]),
    "in capitals": (TAG.upper().replace(SRC.upper(), SRC), ["tag_found", "no_policy"]),
    "with escapes": (TAG.replace("?site=KEY", "?a=b&amp;site=K&#69;Y"), ["tag_found", "no_policy"]),
    "with a sign of greater": (TAG.replace("async", "async title='a>b'"), ["tag_found", "no_policy"]),
    "behind a comment": (f"<!-- <script> -->{TAG}", ["tag_found", "no_policy"]),
    "another key": (TAG.replace("KEY", "OTHER"), ["other_key", "no_policy"]),
    "no key": (TAG.replace("?site=KEY", ""), ["other_key", "no_policy"]),
    "two keys": (TAG + TAG.replace("KEY", "OTHER"), ["other_key", "tag_found", "no_policy"]),
    "twice": (TAG + TAG, ["tag_found", "twice", "no_policy"]),
    "at the end": (f"<head></head><body>Hello{TAG}", ["tag_found", "not_in_head", "no_policy"]),
    "without async": (TAG.replace(" async", ""), ["tag_found", "not_async", "no_policy"]),
    "held by a consent banner": (
        TAG.replace("<script", '<script type="text/plain" data-cookieconsent="statistics"'),
        ["tag_found", "held_back", "no_policy"],
    ),
    "held by a plugin for speed": (
        TAG.replace("<script", '<script type="rocketlazyloadscript"').replace(" src=", " data-rocket-src="),
        ["tag_found", "held_back", "no_policy"],
    ),
    "a tag manager": (
        '<script>(function(w,d){d.src="https://www.googletagmanager.com/gtm.js?id=GTM-AB"})()</script>',
        ["tag_manager", "no_policy"],
    ),
    "from elsewhere": (TAG.replace("track.example.net", "old.example"), ["tag_found", "leads_elsewhere", "no_policy"]),
    "a policy that allows": (
        f'<meta http-equiv="Content-Security-Policy" content="default-src https:">{TAG}',
        ["tag_found", "policy_allows"],
    ),
    "a policy in the page that does not": (
        f'<meta http-equiv="content-security-policy" content="default-src \'self\'">{TAG}',
        ["tag_found", "policy_forbids", "policy_forbids"],
    ),
    "a nonce": (
        "<meta http-equiv='Content-Security-Policy' content=\"script-src 'nonce-a1'\">"
        + TAG.replace("<script", '<script nonce="a1"'),
        ["tag_found", "policy_allows"],
    ),
}


@pytest.mark.parametrize("what", PAGES)
def test_a_page_is_judged(what: str) -> None:
    html, expected = PAGES[what]
    assert keys(html) == expected


def test_a_policy_of_the_headers_counts_also_where_there_is_no_tag_yet() -> None:
    found = judge_page("", URL, ["script-src 'self'; connect-src 'self'"], key="KEY", tag_src=SRC)
    assert [(one.key, one.value, one.line) for one in found[1:]] == [
        ("policy_forbids", "script-src", "script-src 'self' https://track.example.net"),
        ("policy_forbids", "connect-src", "connect-src 'self' https://track.example.net"),
    ]


@pytest.mark.parametrize(
    "unit",
    ["<", "<!--", "<script ", "<script '", '<script "', "<script>", "<meta a", "</head", "<a b='", "<base =", "&#"],
)
def test_a_page_that_is_made_to_keep_a_reader_busy_does_not(unit: str) -> None:
    assert keys(unit * (1_000_000 // len(unit)))


@given(st.text(alphabet="<>/=\"' \nscriptm.jedaol!-[]&;", max_size=300))
def test_no_page_breaks_it(html: str) -> None:
    assert judge_page(html, URL, [html], key="KEY", tag_src=SRC)


def tried(**changed: object) -> Tried:
    facts = {"site_key": "KEY", "host": "acme.example", "visitor_id": "v", "consent": "none", "refusal": None}
    return Tried(**{**facts, "sets_cookie": False, "bot": None, **changed})  # type: ignore[arg-type]


HEARD: dict[str, tuple[list[Tried], str, bool, list[str]]] = {
    "nothing yet": ([], "none", False, ["waiting"]),
    "nothing before consent": ([], "opt-in", False, ["waiting", "agree_first"]),
    "nothing from this browser": ([], "none", True, ["waiting", "gpc_here"]),
    "one": ([tried()], "none", False, ["heard", "cookie_script", "open_again", "consent_none"]),
    "one, near": (
        [tried(sets_cookie=True)],
        "opt-out",
        False,
        ["heard", "cookie_server", "open_again", "consent_opt_out"],
    ),
    "two of one visitor": (
        [tried(consent="granted")] * 2,
        "opt-in",
        False,
        ["heard", "cookie_script", "cookie_kept", "consent_granted"],
    ),
    "two of two": (
        [tried(), tried(visitor_id="w")],
        "opt-in",
        False,
        ["heard", "cookie_script", "cookie_lost", "consent_not_asked"],
    ),
    "refused": ([tried(), tried(refusal="foreign_host")], "none", False, ["refused"]),
    "refused, then taken": (
        [tried(refusal="busy"), tried()],
        "none",
        False,
        ["heard", "cookie_script", "open_again", "consent_none"],
    ),
    "another site's key": ([tried(site_key="OTHER")], "none", False, ["heard_other_key"]),
    "a crawler's browser": (
        [tried(bot="HeadlessChrome")],
        "none",
        False,
        ["heard", "passes_for_bot", "cookie_script", "open_again", "consent_none"],
    ),
}


@pytest.mark.parametrize("what", HEARD)
def test_what_came_is_judged(what: str) -> None:
    beacons, consent, sends_gpc, expected = HEARD[what]
    found = judge_heard(beacons, key="KEY", consent=consent, gpc=True, sends_gpc=sends_gpc)
    assert [one.key for one in found] == expected


def test_where_the_site_does_not_honour_it_global_privacy_control_is_no_matter() -> None:
    found = judge_heard([], key="KEY", consent="none", gpc=False, sends_gpc=True)
    assert found == [Finding(Level.NOTE, "waiting")]
