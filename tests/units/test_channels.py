"""Rule files, a site's own rules, the table of sources, and names without an arrival."""

import csv
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from tracker.channels.conditions import When, safe_pattern
from tracker.channels.rules import (
    RULES_VERSION,
    SHIPPED,
    Rule,
    canonical_names,
    classify,
    classify_names,
    load_rules,
    with_site_rules,
)
from tracker.channels.sources import Sources
from tracker.errors import Invalid
from tracker.urls import Arrival, read_arrival
from tracker.vocabulary import Channel

DOCS = Path(__file__).parents[2] / "docs" / "channels.md"
KINDS = {"search", "social", "video", "shopping", "email", "ai", "ads", "affiliate", "site"}


def arrive(query: str = "", referrer: str | None = None) -> Arrival:
    return read_arrival(f"https://acme.co.jp/{query}", referrer, frozenset({"acme.co.jp"}))


def test_the_version_names_an_edition_and_what_it_was_made_of() -> None:
    assert re.fullmatch(r"\d{4}\.\d{2}\.[0-9a-f]{8}", RULES_VERSION)
    assert SHIPPED.version == RULES_VERSION


def test_every_shipped_rule_has_a_name_of_its_own_and_can_be_reached() -> None:
    names = [rule.name for rule in SHIPPED.rules]
    assert len(set(names)) == len(names)
    everything = [rule.name for rule in SHIPPED.rules if rule.when == When()]
    assert everything == []


def test_every_source_has_a_known_kind_and_every_kind_a_medium() -> None:
    assert set(SHIPPED.sources.kinds.values()) == KINDS == set(SHIPPED.medium_of_kind)


def test_aliases_lead_to_sources_that_exist() -> None:
    assert set(SHIPPED.same_as.values()) | set(SHIPPED.ads_of.values()) <= set(SHIPPED.sources.kinds)


def test_the_table_has_hundreds_of_hosts_each_once_in_lower_case() -> None:
    text = files("tracker.channels").joinpath("sources.csv").read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    hosts = [row["host"] for row in rows if row["host"]]
    assert len(hosts) == len(set(hosts)) == len(SHIPPED.sources) > 400
    assert hosts == [host.lower() for host in hosts]
    assert all(row["name"] == row["name"].lower().strip() for row in rows)
    assert not [host for host in hosts if host.startswith(("www.", "^www."))]


def test_every_host_of_the_table_is_found_under_its_own_name() -> None:
    text = files("tracker.channels").joinpath("sources.csv").read_text("utf-8")
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        if row["host"]:
            host = row["host"].removeprefix("^")
            found = SHIPPED.sources.find(host.replace(".*", ".co.jp"))
            assert found
            if ".*" not in host:
                assert (found.name, found.kind) == (row["name"], row["kind"])


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ("a.com,a,search,\na.com,a,search,", "'a.com' stands there twice"),
        ("a.*,a,search,\na.*,a,search,", "'a.*' stands there twice"),
        ("a.com,a,search,\nb.com,a,social,", "'a' is both search and social"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows: str, wrong: str) -> None:
    with pytest.raises(Invalid, match=re.escape(wrong)):
        Sources(f"host,name,kind,terms\n{rows}\n")


def test_a_host_alone_its_subdomains_and_its_countries_are_three_things() -> None:
    sources = Sources(
        "host,name,kind,terms\n"
        "^only.com,only,search,\nbelow.com,below,social,\ndeep.below.com,deep,video,\n"
        "^lands.*,lands,search,\nmail.lands.*,mail,email,\nwide.*,wide,shopping,\n,word,social,\n"
    )

    def name(host: str) -> str | None:
        found = sources.find(host)
        return found.name if found else None

    assert [name(host) for host in ("only.com", "sub.only.com", "xonly.com")] == ["only", None, None]
    assert [name(host) for host in ("below.com", "a.b.below.com", "x.deep.below.com")] == [
        "below",
        "below",
        "deep",
    ]
    assert [name(host) for host in ("lands.co.jp", "docs.lands.co.jp", "a.mail.lands.de")] == [
        "lands",
        None,
        "mail",
    ]
    assert [name(host) for host in ("wide.com.br", "a.wide.net", "wide.shop", "wide.evil.com")] == [
        "wide",
        "wide",
        None,
        None,
    ]
    assert [name(host) for host in ("com", "", "word", "android-app://below.com")] == [None] * 4
    assert sources.kinds["word"] == "social"


@pytest.mark.parametrize(
    ("written", "named", "ads"),
    [
        ("FB", "facebook", False),
        ("Google_Ads", "google", True),
        ("google-ads", "google", True),
        ("twitter", "x", False),
        ("https://www.Google.co.jp/search", "google", False),
        ("l.facebook.com", "facebook", False),
        ("Yahoo_News", "yahoo news", False),
        ("Ｆａｃｅｂｏｏｋ", "facebook", False),
        ("ヤフー", "yahoo", False),
        ("Acme Blog", "acme blog", False),
        ("google.evil.com", "google.evil.com", False),
    ],
)
def test_sources_have_one_name(written: str, named: str, ads: bool) -> None:
    assert SHIPPED.name_source(written) == (named, ads)


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "channel"),
    [
        ("google", "cpc", "brand", "paid_search"),
        ("Google Ads", None, "brand", "paid_search"),
        ("facebook", "paid_social", "", "paid_social"),
        ("rakuten", "cpc", None, "paid_shopping"),
        ("google", "cpc", "cross-network", "cross_network"),
        ("展示会", "offline", "東京", "offline"),
        ("Tokyo Expo", "Booth", "", "offline"),
        ("", "email", "", "email"),
        ("facebook", "", "", "organic_social"),
        ("(direct)", "(none)", "", "direct"),
        ("", "", "spring", "unassigned"),
        (None, None, None, "unassigned"),
    ],
)
def test_names_without_an_arrival_have_a_channel(
    source: str | None, medium: str | None, campaign: str | None, channel: str
) -> None:
    assert classify_names(source, medium, campaign) == channel


@pytest.mark.parametrize(
    ("source", "medium", "names"),
    [
        ("FB", "CPC", ("facebook", "cpc")),
        ("google ads", None, ("google", "cpc")),
        ("Twitter", "", ("x", "social")),
        ("acme", "", ("acme", "(not set)")),
        (None, None, ("(not set)", "(not set)")),
    ],
)
def test_a_cost_file_and_an_arrival_agree_on_names(
    source: str | None, medium: str | None, names: tuple[str, str]
) -> None:
    assert canonical_names(source, medium) == names
    if source:
        arrival = read_arrival(f"https://acme.co.jp/?utm_source={source}&utm_medium={medium or ''}", None, ())
        assert (classify(arrival).source, classify(arrival).medium) == names


@pytest.mark.parametrize(
    ("referrer", "term"),
    [
        ("https://search.yahoo.co.jp/search?p=%E5%BA%83%E5%91%8A+%E5%8A%B9%E6%9E%9C&ei=UTF-8", "広告 効果"),
        ("https://search.yahoo.co.jp/search?p=%B9%AD%B9%F0", "広告"),
        ("https://www.google.co.jp/search?q=%83%7D%83%8B%83P", "マルケ"),
        ("https://www.baidu.com/s?wd=%B9%E3%B8%E6", "广告"),
        ("https://search.naver.com/search.naver?query=%B1%A4%B0%ED", "광고"),
        ("https://www.google.com/url?q=https://acme.co.jp/&sa=D", "(not set)"),
        ("https://www.google.com/", "(not set)"),
        ("https://www.google.com/search?q=", "(not set)"),
        ("https://www.google.com/search?other=x", "(not set)"),
        ("https://www.google.com/search?q=%81", "(not set)"),
        ("https://www.bing.com/search?q=a%00b&" + "x=1&" * 200, "(not set)"),
        ("https://blog.example.jp/?q=crm", "(not set)"),
    ],
)
def test_the_words_searched_for_are_the_term_where_an_engine_still_tells_them(referrer: str, term: str) -> None:
    assert classify(arrive("", referrer)).term == term


def test_a_click_id_that_nobody_knows_says_nothing() -> None:
    found = classify(replace(arrive(), click_ids=(("zzclid", "1"),)))
    assert (found.channel, found.source) == ("direct", "(direct)")


def test_a_tagged_term_and_content_are_kept() -> None:
    found = classify(arrive("?utm_term=CRM&utm_content=Top", "https://www.google.com/search?q=x"))
    assert (found.term, found.content) == ("CRM", "Top")
    assert (
        classify(arrive("?utm_source=google&utm_medium=cpc", "https://www.google.com/search?q=x")).term == "(not set)"
    )


SITE_RULES = """
[[rule]]
name = "campus"
channel = "offline"
source = "Campus Fair"
medium = "QR"
when = { landing_page_like = '/fair/.*' }

[[rule]]
name = "社内ポータル"
channel = "direct"
when = { referring_host = "intra.example.jp" }

[[rule]]
name = "ads word"
channel = "paid_social"
when = { source_kind = "social", medium = ["Ads", "広告"], paid = false }

[[rule]]
name = "brand"
channel = "paid_other"
when = { campaign = ["Brand"], click_id = ["gclid"], click_kind = "search", source = "google" }

[[rule]]
name = "test traffic"
channel = "unassigned"
when = { source_like = 'test.*', campaign_like = '[^x]+', medium_like = '.*' }
"""


def test_a_sites_own_rules_come_first_and_say_so() -> None:
    rules = with_site_rules(SHIPPED, load_rules(SITE_RULES))

    def decided(query: str, referrer: str | None = None) -> tuple[str, str, str, str]:
        found = classify(arrive(query, referrer), rules)
        assert found.rules_version == rules.version
        return found.rule, found.channel, found.source, found.medium

    assert decided("fair/tokyo") == ("site:campus", "offline", "campus fair", "qr")
    assert decided("", "https://a.intra.example.jp/") == (
        "site:社内ポータル",
        "direct",
        "a.intra.example.jp",
        "referral",
    )
    assert decided("", "https://notintra.example.jp/")[0] == "referral"
    assert decided("?utm_source=fb&utm_medium=ads") == ("site:ads word", "paid_social", "facebook", "ads")
    assert decided("?utm_source=google&utm_campaign=BRAND&gclid=1")[:2] == ("site:brand", "paid_other")
    assert decided("?utm_source=google&utm_campaign=BRAND")[0] == "organic_search_source"
    assert decided("?utm_source=Tester&utm_campaign=a")[0] == "site:test traffic"
    assert decided("?utm_source=Tester&utm_campaign=ax")[0] == "nothing_fitted"
    assert decided("", "https://www.google.com/")[0] == "organic_search_source"
    assert classify(arrive("fair/tokyo")).channel == "direct"


def test_a_site_has_its_own_version_that_changes_with_its_rules() -> None:
    rules = load_rules(SITE_RULES)
    version = with_site_rules(SHIPPED, rules).version
    assert version.startswith(f"{RULES_VERSION}+")
    assert version == with_site_rules(SHIPPED, load_rules(SITE_RULES)).version
    assert version != with_site_rules(SHIPPED, rules[1:]).version
    assert with_site_rules(SHIPPED, []) is SHIPPED
    assert load_rules("") == ()


def test_classify_names_takes_a_sites_rules_too() -> None:
    rules = with_site_rules(SHIPPED, [Rule("x", Channel.AUDIO, When(medium=("cpc",)))])
    assert classify_names("google", "cpc", None, rules) == "audio"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[[rule]", "no TOML"),
        ("rule = 1", "each rule is a [[rule]] table"),
        ("rule = [1]", "each rule is a [[rule]] table"),
        ("edition = '1'", "'edition' is not known here"),
        ("[[rule]]\nchannel = 'direct'", "a rule has a name"),
        ("[[rule]]\nname = ''\nchannel = 'direct'", "a rule has a name"),
        ("[[rule]]\nname = ' a'\nchannel = 'direct'", "a rule has a name"),
        ("[[rule]]\nname = 1\nchannel = 'direct'", "a rule has a name"),
        ("[[rule]]\nname = 'a'", "None is no channel"),
        ("[[rule]]\nname = 'a'\nchannel = 'seo'", "'seo' is no channel"),
        ("[[rule]]\nname = 'a'\nchannel = 'unattributed'", "'unattributed' is no channel"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nif = 1", "'if' is not known"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nsource = ''", "source must be a word"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = 1", "when must be a table"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { host = 'x' }", "'host' is no condition"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { paid = 'yes' }", "paid must be true or false"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { medium = 1 }", "medium must be a word"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { medium = [] }", "medium must be a word"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { medium = [1] }", "medium must be a word"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\nwhen = { medium_like = '(' }", "is no pattern"),
        ("[[rule]]\nname = 'a'\nchannel = 'direct'\n" * 2, "there are two of that name"),
        ("".join(f"[[rule]]\nname = '{n}'\nchannel = 'direct'\n" for n in range(201)), "at most 200"),
        ("#" * 70_000, "at most 65536"),
    ],
)
def test_a_wrong_rule_file_is_refused_with_what_is_wrong(text: str, wrong: str) -> None:
    with pytest.raises(Invalid, match=re.escape(wrong)):
        load_rules(text)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"(a|a)*",
        r"(?:a?){9}",
        r"(a*)?",
        r".*a.*b.*c.*d",
        r"a?a?a?a?a?a?a?",
        r"(?=a)b",
        r"(?P<n>a)",
        r"(a)\1",
        r"[",
        r"a{99999999999}",
        "x" * 301,
        "",
        7,
    ],
)
def test_a_pattern_that_could_run_away_is_refused(pattern: object) -> None:
    with pytest.raises(Invalid):
        safe_pattern("rule", pattern)


@pytest.mark.parametrize(
    "pattern", [r".*shop.*", r"(?:a|b)c+", r"[*+?(){}]+", r"a\+\*b\?", r"[^\]]+", r"[]a]x", r"x{2,3}"]
)
def test_a_plain_pattern_is_taken(pattern: str) -> None:
    assert safe_pattern("rule", pattern) == pattern


def test_the_guide_names_every_channel() -> None:
    guide = DOCS.read_text("utf-8")
    missing = [channel for channel in Channel if f"`{channel}`" not in guide]
    assert missing == []


def test_the_guide_names_every_rule() -> None:
    guide = DOCS.read_text("utf-8")
    assert [rule.name for rule in SHIPPED.rules if f"`{rule.name}`" not in guide] == []
