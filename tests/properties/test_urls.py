"""Whatever strangers write: an arrival comes out, clean and bounded, and nobody passes for a network."""

import unicodedata
from dataclasses import fields
from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st

from tracker.channels.rules import SHIPPED, Classified, classify, classify_names
from tracker.urls import CLICK_IDS, EXCLUDED_REFERRERS, Arrival, clean_text, host_of, is_page, read_arrival
from tracker.vocabulary import Channel

CHANNELS = {channel.value for channel in Channel} - {Channel.UNATTRIBUTED.value}
PARAMETERS = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "utm_id", *CLICK_IDS]

texts = st.text(alphabet=st.characters(exclude_categories=[]))
tags = st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text() | st.sampled_from(["null", "cpc", "google"])))
hosts = st.sampled_from(["acme.co.jp", "www.google.com", "t.co", "mail.google.com", "[::1]", "a..b", "日本語.jp"])
addresses = texts | st.builds(
    lambda scheme, host, path, pairs, end: (
        f"{scheme}://{host}/{path}?" + "&".join(f"{name}={quote(value)}" for name, value in pairs) + end
    ),
    st.sampled_from(["https", "http", "android-app", "HTTPS", "ftp"]),
    hosts | texts,
    texts,
    tags,
    texts,
)

LIMITS = {"landing_page": 512, "landing_url": 2_048, "referrer": 2_048, "referring_host": 300, "host": 253}


def seen(arrival: Arrival, found: Classified) -> list[str]:
    values = [getattr(arrival, field.name) for field in fields(Arrival) if field.name != "click_ids"]
    values += [value for _, value in arrival.click_ids]
    values += [getattr(found, field.name) for field in fields(Classified)]
    return [value for value in values if value is not None]


@given(addresses, st.none() | addresses)
@example("https://acme.co.jp/?utm_source=\ufdfa" * 50, "http://[")
@example("http://a@b:c@d:e/?utm_campaign=%", "http://%")
@example("https://" + "a." * 500 + "jp/", "https://" + "ü" * 300 + ".jp")
def test_any_two_texts_give_a_clean_and_bounded_arrival_with_a_channel(url: str, referrer: str | None) -> None:
    arrival = read_arrival(url, referrer, frozenset({"acme.co.jp"}), EXCLUDED_REFERRERS)
    found = classify(arrival)
    assert found.channel in CHANNELS
    assert found.source
    assert found.medium
    assert arrival.landing_page.startswith("/")
    assert not arrival.landing_page.startswith("//")
    for value in seen(arrival, found):
        assert not {unicodedata.category(letter) for letter in value} & {"Cc", "Cf", "Cs"}
        assert not set(value) & {"\u2028", "\u2029"}
        value.encode()
    for field, limit in LIMITS.items():
        assert len(getattr(arrival, field) or "") <= limit
    for tag in (
        arrival.utm_source,
        arrival.utm_medium,
        arrival.utm_campaign,
        arrival.utm_term,
        arrival.utm_content,
    ):
        assert tag is None or 0 < len(tag) <= 255
    for param, value in arrival.click_ids:
        assert param in CLICK_IDS
        assert 0 < len(value) <= 512
    assert max(len(found.source), len(found.medium), len(found.campaign), len(found.term)) <= 255
    assert (arrival.referrer is None) == (arrival.referring_host is None)
    assert arrival.starts_visit or found.channel == Channel.DIRECT
    hash(arrival.campaign_key)


@given(st.sampled_from(PARAMETERS), st.text(min_size=1))
def test_a_tag_comes_back_as_it_was_written(param: str, text: str) -> None:
    written = clean_text(text, 255)
    arrival = read_arrival(f"https://acme.co.jp/?{param}={quote(text)}", None, frozenset())
    if param in CLICK_IDS:
        read = dict(arrival.click_ids).get(param)
        assert read in {None, clean_text(text, 512)}
    else:
        read = arrival.utm_campaign if param == "utm_id" else getattr(arrival, param)
        assert read in {None, written}
    if read is None:
        assert written is None or written.lower() in {"null", "undefined", "(not set)"} or written[0] == "{"


@given(texts, st.integers(1, 300))
def test_cleaning_twice_changes_nothing(text: str, limit: int) -> None:
    once = clean_text(text, limit)
    assert once is None or 0 < len(once) <= limit
    assert clean_text(once, limit) == once


labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
endings = st.sampled_from(["com", "de", "co.jp", "com.br", "co.uk", "cat"])
networks = st.sampled_from(["google", "yahoo", "amazon", "ebay", "yandex", "pinterest", "facebook", "bing", "line"])


@given(networks, endings, labels, st.sampled_from(["example", "evil", "test", "invalid"]), endings)
def test_a_host_under_a_strangers_name_is_never_a_network(
    network: str, ending: str, label: str, stranger: str, other: str
) -> None:
    looks_like = [
        f"{network}.{ending}.{stranger}-{label}.{other}",
        f"{network}.{stranger}-{label}.{other}",
        f"{label}.{network}.{stranger}-{label}.{other}",
        f"not-{network}.{ending}",
        f"{network}-{label}.{ending}",
        f"{network}.{ending}-{label}.{other}",
    ]
    for host in looks_like:
        assert SHIPPED.sources.find(host) is None, host
        found = classify(read_arrival("https://acme.co.jp/", f"https://{host}/", frozenset({"acme.co.jp"})))
        assert (found.channel, found.source) == ("referral", host)


@given(endings)
def test_google_is_a_search_engine_in_every_country_and_only_there(ending: str) -> None:
    place = SHIPPED.sources.find(f"google.{ending}")
    assert place
    assert (place.name, place.kind) == ("google", "search")
    assert SHIPPED.sources.find(f"docs.google.{ending}") is None


@given(st.none() | texts, st.none() | texts, st.none() | texts)
def test_any_names_of_a_cost_row_have_a_channel(source: str | None, medium: str | None, campaign: str | None) -> None:
    assert classify_names(source, medium, campaign) in CHANNELS


@given(texts)
def test_any_path_is_a_page_or_none(path: str) -> None:
    assert is_page(path) is is_page(path + "?x=1")


@given(addresses | st.from_regex(r"https?://[A-Za-z0-9.:@\[\]-]{0,30}[/?#]?.{0,10}", fullmatch=True))
def test_the_host_that_is_read_quickly_is_the_arrivals(address: str) -> None:
    assert host_of(address) == read_arrival(address, None, (), frozenset()).host
