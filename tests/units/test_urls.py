"""What an arrival keeps of two strings, and which requests are pages."""

import unicodedata

import pytest

from tracker.urls import (
    CLICK_IDS,
    EXCLUDED_REFERRERS,
    Arrival,
    clean_text,
    click_param,
    is_page,
    read_arrival,
)

OWN = frozenset({"acme.co.jp"})


def arrive(url: str, referrer: str | None = None, own: frozenset[str] = OWN) -> Arrival:
    return read_arrival(url, referrer, own, EXCLUDED_REFERRERS)


@pytest.mark.parametrize(
    ("url", "host", "page", "landing_url"),
    [
        ("https://www.acme.co.jp/a/b?x=1#top", "acme.co.jp", "/a/b", "https://www.acme.co.jp/a/b?x=1"),
        ("https://ACME.co.jp:8443", "acme.co.jp", "/", "https://acme.co.jp:8443/"),
        ("https://acme.co.jp.:443/A", "acme.co.jp", "/A", "https://acme.co.jp.:443/A"),
        ("https://user:secret@acme.co.jp/", "acme.co.jp", "/", "https://acme.co.jp/"),
        (
            "https://acme.co.jp//evil.example/x",
            "acme.co.jp",
            "/evil.example/x",
            "https://acme.co.jp//evil.example/x",
        ),
        (
            "https://acme.co.jp/a;jsessionid=1F/b",
            "acme.co.jp",
            "/a/b",
            "https://acme.co.jp/a;jsessionid=1F/b",
        ),
        ("  https://acme.co.jp/\n a\t", "acme.co.jp", "/ a", "https://acme.co.jp/ a"),
        ("https://acme.co.jp/\u202egpj\u200b.exe", "acme.co.jp", "/gpj.exe", "https://acme.co.jp/gpj.exe"),
        ("http:\\\\acme.co.jp\\a", "", "/", ""),
        ("//acme.co.jp/a", "acme.co.jp", "/a", "//acme.co.jp/a"),
        ("/only/a/path?q=1", "", "/only/a/path", "/only/a/path?q=1"),
        ("pricing", "", "/pricing", "/pricing"),
        ("?utm_source=a", "", "/", ""),
        ("http://[2001:db8::1]:8000/a", "[2001:db8::1]", "/a", "http://[2001:db8::1]:8000/a"),
        ("http://[::1", "", "/", ""),
        ("https://日本語.jp/道", "xn--wgv71a119e.jp", "/道", "https://日本語.jp/道"),
        ("https://goo%67le.com/", "", "/", ""),
        ("https:///nowhere", "", "/nowhere", ""),
        ("javascript:alert(1)", "", "/", ""),
        ("data:text/html,x", "", "/", ""),
        ("file:///etc/passwd", "", "/etc/passwd", ""),
        ("www.com/", "", "/www.com/", "/www.com/"),
        ("https://www.com/", "www.com", "/", "https://www.com/"),
        ("", "", "/", ""),
    ],
)
def test_a_landing_is_a_host_a_page_and_a_clean_address(url: str, host: str, page: str, landing_url: str) -> None:
    found = arrive(url)
    assert (found.host, found.landing_page, found.landing_url) == (host, page, landing_url)


def test_long_addresses_are_cut_between_escapes() -> None:
    found = arrive("https://acme.co.jp/" + "%E6%BA%90" * 1_000)
    assert len(found.landing_url) <= 2_048
    assert len(found.landing_page) <= 512
    assert found.landing_url.rpartition("%")[2].isalnum()
    assert len(found.landing_url.rpartition("%")[2]) == 2
    assert len(found.landing_page.rpartition("%")[2]) == 2


def test_tags_keep_their_case_and_lose_what_cannot_be_seen() -> None:
    found = arrive("https://acme.co.jp/?UTM_Campaign=%20Spring%E2%80%8B%00+Sale%20%20%E2%80%AE26%20&utm_term=CRM%09x")
    assert found.utm_campaign == "Spring Sale 26"
    assert found.utm_term == "CRM x"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("%E6%BA%90", "源"),
        ("%B8%BB", "源"),
        ("%8C%B9", "源"),
        ("M%FCnchen", "München"),
        ("%FC%FC", "üü"),
        ("100%", "100%"),
        ("a%2Bb+c", "a+b c"),
    ],
)
def test_tags_are_decoded_from_the_charsets_that_old_senders_use(escaped: str, text: str) -> None:
    assert arrive(f"https://acme.co.jp/?utm_term={escaped}").utm_term == text


def test_tags_are_bounded() -> None:
    found = arrive(f"https://acme.co.jp/?utm_content={'x' * 10_000}&utm_source=a&gclid={'y' * 1_000}")
    assert found.utm_content == "x" * 255
    assert found.utm_source == "a"
    assert found.click_ids == (("gclid", "y" * 512),)


def test_click_ids_come_strongest_first_with_their_case() -> None:
    found = arrive("https://acme.co.jp/?fbclid=IwAR&ScCid=AbC&GCLID=Cj0KCQ&gclid=second&gbraid=null")
    assert found.click_ids == (("gclid", "Cj0KCQ"), ("sccid", "AbC"), ("fbclid", "IwAR"))


def test_only_ads_prove_a_paid_click() -> None:
    unpaid = {
        "fbclid",
        "igshid",
        "igsh",
        "mc_cid",
        "mc_eid",
        "_hsenc",
        "_hsmi",
        "srsltid",
        "awc",
        "a8",
        "irclickid",
    }
    assert unpaid <= {param for param, found in CLICK_IDS.items() if not found.paid}
    ads = {
        "gclid",
        "gbraid",
        "wbraid",
        "dclid",
        "gad_source",
        "gad_campaignid",
        "msclkid",
        "yclid",
        "yjr_yjad",
    }
    ads |= {"ldtag_cl", "li_fat_id", "ttclid", "twclid", "sccid", "rdt_cid", "epik", "oppref"}
    assert ads <= {param for param, found in CLICK_IDS.items() if found.paid}
    assert all(param == param.lower() for param in CLICK_IDS)


@pytest.mark.parametrize(
    ("param", "value", "network", "medium"),
    [
        ("yclid", "YSS.1000425224.EAIa", "yahoo", "cpc"),
        ("yclid", "YJAD.1600000000.x", "yahoo", "display"),
        ("yclid", "1234567890123", "yandex", "cpc"),
        ("hsa_net", "AdWords", "google", "cpc"),
        ("hsa_net", "other", "hubspot", "cpc"),
    ],
)
def test_some_click_ids_say_more_in_their_value(param: str, value: str, network: str, medium: str) -> None:
    found = click_param(param, value)
    assert found
    assert (found.network, found.medium, found.paid) == (network, medium, True)


@pytest.mark.parametrize(
    "name", ["utm_source", "UTM_SOURCE", "utm%5Fsource", "utm_source[]", "utm_source%5B%5D", "amp;utm_source"]
)
def test_a_tag_is_known_however_its_name_was_escaped(name: str) -> None:
    assert arrive(f"https://acme.co.jp/?x=1&{name}=a&y=2").utm_source == "a"


def test_other_parameters_are_no_click_ids() -> None:
    assert click_param("utm_source", "x") is None


def test_utm_id_stands_for_an_absent_campaign_only() -> None:
    assert arrive("https://acme.co.jp/?utm_id=42").utm_campaign == "42"
    assert arrive("https://acme.co.jp/?utm_id=42&utm_campaign=spring").utm_campaign == "spring"


def test_tags_behind_the_hash_count_when_the_query_has_none() -> None:
    assert arrive("https://acme.co.jp/#utm_source=a").utm_source == "a"
    assert arrive("https://acme.co.jp/#/x?utm_source=a").utm_source == "a"
    assert arrive("https://acme.co.jp/?utm_source=b#/x?utm_source=a").utm_source == "b"
    assert arrive("https://acme.co.jp/#section").utm_source is None


@pytest.mark.parametrize(
    ("referrer", "clean", "host"),
    [
        ("https://www.example.com/a?b=1#c", "https://www.example.com/a?b=1", "example.com"),
        ("https://u:p@Example.com:81", "https://example.com:81/", "example.com"),
        (
            "android-app://com.google.android.gm/",
            "android-app://com.google.android.gm/",
            "android-app://com.google.android.gm",
        ),
        ("Android-App://com.Slack", "android-app://com.slack", "android-app://com.slack"),
        ("ios-app://284882215/fb", "ios-app://284882215/fb", "ios-app://284882215"),
        ("http://localhost:3000/", "http://localhost:3000/", "localhost"),
        ("ftp://example.com/", None, None),
        ("chrome-extension://abcdef/", None, None),
        ("about:srcdoc", None, None),
        ("javascript:alert(1)", None, None),
        ("example.com/page", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_outside_referrer_is_a_web_page_or_an_app(referrer: str | None, clean: str | None, host: str | None) -> None:
    found = arrive("https://acme.co.jp/", referrer)
    assert (found.referrer, found.referring_host) == (clean, host)


@pytest.mark.parametrize(
    ("own", "referrer", "outside"),
    [
        ("acme.co.jp", "https://www.acme.co.jp/", False),
        ("www.acme.co.jp", "https://acme.co.jp/", False),
        ("www.acme.co.jp", "https://shop.acme.co.jp/", False),
        ("https", "https://acme-blog.jp/", True),
        ("acme.co.jp", "https://notacme.co.jp/", True),
        ("acme.co.jp", "https://acme.co.jp.evil.net/", True),
        ("shop.acme.co.jp", "https://acme.co.jp/", True),
        ("acme.co.jp:8000", "http://acme.co.jp:9000/", False),
        ("", "https://example.com/", True),
    ],
)
def test_own_hosts_and_their_subdomains_refer_nobody(own: str, referrer: str, outside: bool) -> None:
    found = read_arrival("https://lp.example.net/", referrer, [own], EXCLUDED_REFERRERS)
    assert (found.referrer is not None) is outside


@pytest.mark.parametrize(
    ("excluded", "referrer", "outside"),
    [
        ("pay.example", "https://pay.example/x", False),
        ("pay.example", "https://www.pay.example/x", False),
        ("pay.example", "https://eu.pay.example/x", False),
        ("pay.example", "https://notpay.example/", True),
        ("shop.example/checkout", "https://shop.example/checkout", False),
        ("shop.example/checkout", "https://shop.example/checkout/step2?x=1", False),
        ("shop.example/checkout/", "https://eu.shop.example/checkout/2", False),
        ("shop.example/checkout", "https://shop.example/checkouts", True),
        ("shop.example/checkout", "https://shop.example/", True),
        ("https://pay.example", "https://pay.example/x", False),
        ("", "https://pay.example/x", True),
    ],
)
def test_excluded_referrers_are_hosts_or_paths_below_them(excluded: str, referrer: str, outside: bool) -> None:
    found = read_arrival("https://acme.co.jp/", referrer, OWN, frozenset({excluded}))
    assert (found.referrer is not None) is outside


def test_the_exclusion_list_excludes_each_of_its_own_entries() -> None:
    for entry in EXCLUDED_REFERRERS:
        assert arrive("https://acme.co.jp/", f"https://{entry}").referrer is None, entry
    assert arrive("https://acme.co.jp/", "https://stripe.com/").referrer is not None
    assert arrive("https://acme.co.jp/", "https://line.me/").referrer is not None


def test_campaign_data_or_an_outside_referrer_starts_a_visit() -> None:
    assert arrive("https://acme.co.jp/?utm_term=x").starts_visit
    assert arrive("https://acme.co.jp/?fbclid=x").starts_visit
    assert arrive("https://acme.co.jp/", "https://example.com/").starts_visit
    assert not arrive("https://acme.co.jp/", "https://shop.acme.co.jp/").starts_visit
    assert not arrive("https://acme.co.jp/").starts_visit


def test_a_reload_of_a_tagged_page_is_the_same_campaign() -> None:
    landing = arrive("https://acme.co.jp/?utm_source=a&gclid=1", "https://www.google.com/")
    assert landing.campaign_key == arrive("https://acme.co.jp/?gclid=1&utm_source=a").campaign_key
    assert landing.campaign_key == arrive("https://acme.co.jp/other?utm_source=a&gclid=1&x=2").campaign_key
    assert landing.campaign_key != arrive("https://acme.co.jp/?utm_source=a&gclid=2").campaign_key
    assert landing.campaign_key != arrive("https://acme.co.jp/").campaign_key
    assert len({landing.campaign_key, arrive("https://acme.co.jp/").campaign_key}) == 2


@pytest.mark.parametrize(
    ("text", "limit", "cleaned"),
    [
        (None, 10, None),
        ("", 10, None),
        (" \t\u3000\u200b\n", 10, None),
        ("  Plan  A ", 10, "Plan A"),
        ("two\r\nlines", 10, "two lines"),
        ("no\x00thing\x1b[31m", 20, "nothing[31m"),
        ("\u202etxt.exe", 20, "txt.exe"),
        ("か\u3099", 10, "が"),
        ("\ud83d", 10, None),
        ("abcdef", 3, "abc"),
        ("ab cdef", 3, "ab"),
        ("👩\u200d👧", 10, "👩👧"),
        ("\ufdd0\U0001ffff", 10, None),
        ("null", 10, "null"),
        ("\u200b" * 5_000 + "x", 10, None),
        ("x" * 100_000, 10, "x" * 10),
    ],
)
def test_text_of_strangers_becomes_one_visible_line(text: str | None, limit: int, cleaned: str | None) -> None:
    assert clean_text(text, limit) == cleaned


def test_no_control_or_format_character_of_unicode_survives() -> None:
    survivors = [
        hex(point)
        for point in range(0x110000)
        if unicodedata.category(chr(point)) in {"Cc", "Cf", "Cs"} and clean_text(chr(point), 5) is not None
    ]
    assert survivors == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/pricing",
        "/pricing/",
        "/a.html?x=1.png",
        "/a.php",
        "/a.aspx#b.css",
        "/users/john.smith",
        "/v1.2/notes",
        "/sitemap",
        "/sitemap.html",
        "/news.feed/entry",
        "/地図",
        "/images/",
        "/well-known/x",
    ],
)
def test_pages_are_what_people_look_at(path: str) -> None:
    assert is_page(path)


@pytest.mark.parametrize(
    "path",
    [
        "/a.png",
        "/A.PNG?v=3",
        "/style2.css",
        "/m.js",
        "/app.js;v=1",
        "/font.woff2",
        "/favicon.ico",
        "/x/favicon.ico",
        "/robots.txt",
        "/ads.txt",
        "/sitemap.xml",
        "/sitemap_index.xml.gz",
        "/apple-touch-icon.png",
        "/feed/",
        "/blog/feed",
        "/index.rss",
        "/files/logstash.jar",
        "/whitepaper.pdf",
        "/.well-known/security",
        "/wp-json/v2/posts",
        "/xmlrpc.php",
        "/api/data.json",
    ],
)
def test_parts_of_pages_downloads_and_what_machines_ask_for_are_no_pages(path: str) -> None:
    assert not is_page(path)
