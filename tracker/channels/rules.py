"""(pure) From an arrival to source, medium, campaign and channel, by ordered rules that are data.

Names first: utm_* names the source and the medium, a click id its network, the referrer who stands behind
its host. Then the first rule that fits gives the channel; a click id decides *paid* (docs/channels.md).
Called while visits are folded, and for cost rows and offline events, which have names but no arrival. Knows
no database: a site's own rules come in as an argument.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from tracker.channels.conditions import Names, Test, When, plain_word, read_when, safe_pattern, tests_of
from tracker.channels.sources import Place, Sources
from tracker.errors import Invalid
from tracker.urls import (
    CLICK_IDS,
    EXCLUDED_REFERRERS,
    TAG_LIMIT,
    Arrival,
    ClickParam,
    clean_text,
    click_param,
)
from tracker.vocabulary import NOT_SET, Channel

DIRECT = "(direct)"
NONE = "(none)"
NOTHING_FITTED = "nothing_fitted"

MOST_RULES = 200
RULE_TEXT_LIMIT = 65_536
RULE_NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Classified:
    """An arrival's names and its channel.

    channel                  a value of vocabulary.Channel
    source, medium           lower-case; '(direct)' and '(none)' when nothing brought the visitor; '(not set)'
                             when tags brought it but do not say
    campaign, term, content  as written, or '(not set)'
    rule                     the rule that decided the channel; 'site:…' is one of the site's own
    rules_version            of the whole rule set
    """

    channel: str
    source: str
    medium: str
    campaign: str
    term: str
    content: str
    rule: str
    rules_version: str


@dataclass(frozen=True, slots=True)
class Rule:
    """When it fits, it gives the channel, and the source and medium too if it has them."""

    name: str
    channel: Channel
    when: When
    source: str | None = None
    medium: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """Rules in order, the words they need, and the version that stands beside every figure made with them."""

    rules: tuple[Rule, ...]
    sources: Sources
    same_as: Mapping[str, str]
    ads_of: Mapping[str, str]
    medium_of_kind: Mapping[str, str]
    paid_medium: str
    version: str

    def decide(self, names: Names) -> Rule | None:
        """The first rule that fits, or None."""
        return _decide(self, names if _looks_at_all(self) else Names(*names[:6]))

    def name_source(self, text: str) -> tuple[str, bool]:
        """A source as marketers write it -> its one name, and whether the word means the network's ads.

        'FB' -> facebook; 'www.google.co.jp' -> google; 'google_ads' -> google, True. Others stay, lower-case.
        """
        return _name_source(self, text)


def classify(arrival: Arrival, rules: RuleSet | None = None) -> Classified:
    """Name an arrival's source, medium, campaign, term and content, and give its channel.

    rules  the site's rule set; the shipped one by default
    """
    rules = SHIPPED if rules is None else rules
    names, term = _name(arrival, rules)
    rule = rules.decide(names)
    return Classified(
        channel=(rule.channel if rule else Channel.UNASSIGNED).value,
        source=(rule and rule.source) or names.source,
        medium=(rule and rule.medium) or names.medium,
        campaign=names.campaign,
        term=term or NOT_SET,
        content=arrival.utm_content or NOT_SET,
        rule=rule.name if rule else NOTHING_FITTED,
        rules_version=rules.version,
    )


def classify_names(source: str | None, medium: str | None, campaign: str | None, rules: RuleSet | None = None) -> str:
    """The channel of a cost row or an offline event, by its names; '' and None mean '(not set)'."""
    rules = SHIPPED if rules is None else rules
    named, word = canonical_names(source, medium, rules)
    kind = rules.sources.kinds.get(named, "")
    names = Names(named, kind, word, campaign or NOT_SET, _is_paid(rules.paid_medium, word))
    rule = rules.decide(names)
    return (rule.channel if rule else Channel.UNASSIGNED).value


def canonical_names(source: str | None, medium: str | None, rules: RuleSet | None = None) -> tuple[str, str]:
    """Source and medium as arrivals have them, so that 'FB' in a cost file meets the visits of 'facebook'.

    '' and None are '(not set)'; an absent medium is the one of the source's kind, as for an arrival.
    """
    rules = SHIPPED if rules is None else rules
    named, ads = rules.name_source(source) if source else (NOT_SET, False)
    word = plain_word(medium) if medium else NOT_SET
    if word == NOT_SET:
        word = "cpc" if ads else rules.medium_of_kind.get(rules.sources.kinds.get(named, ""), NOT_SET)
    return named, word


def load_rules(text: str) -> tuple[Rule, ...]:
    """A site's rules from TOML, in order: [[rule]] tables with name, channel, when, and source and medium.

    raises Invalid with the rule's name: no TOML, an unknown key or channel, a name twice, more than 200
    rules, a pattern that is none or that could take very long
    """
    document = _parse(text)
    unknown = sorted(set(document) - {"rule"})
    if unknown:
        raise Invalid(f"rules: {unknown[0]!r} is not known here, only [[rule]] tables are")
    return _rules(document.get("rule", []))


def with_site_rules(rules: RuleSet, site_rules: Sequence[Rule]) -> RuleSet:
    """The rule set with a site's own rules in front, under its own version; they are named 'site:…'."""
    if not site_rules:
        return rules
    own = tuple(replace(rule, name=f"site:{rule.name}") for rule in site_rules)
    return replace(rules, rules=own + rules.rules, version=f"{rules.version}+{_digest(repr(own))}")


def _name(arrival: Arrival, rules: RuleSet) -> tuple[Names, str | None]:
    """The names of an arrival, and its term. Whom to believe in which order: docs/channels.md#source."""
    paid_click, other_click = _clicks(arrival)
    host = arrival.referring_host or ""
    place = rules.sources.find(host) if host else None
    # A mailing tool's id says more than the webmail that shows the mail, a network's id less than the
    # referrer.
    tool = other_click if other_click and other_click.medium in {"email", "affiliate"} else None
    click = paid_click or tool
    ads = False
    if arrival.utm_source:
        source, ads = rules.name_source(arrival.utm_source)
    elif click:
        source = click.network
    elif host:
        source = place.name if place else host[:TAG_LIMIT]
    elif other_click:
        source = other_click.network
    else:
        source = NOT_SET if arrival.tagged else DIRECT
    kind = rules.sources.kinds.get(source, "")
    medium = (
        (plain_word(arrival.utm_medium) if arrival.utm_medium else "")
        or (click.medium if click else "")
        or ("cpc" if ads else "")
        or rules.medium_of_kind.get(kind, "")
        or (rules.medium_of_kind[place.kind] if place else "")
        or ("referral" if host else "")
        or (other_click.medium if other_click else "")
        or (NOT_SET if arrival.tagged else NONE)
    )
    names = Names(
        source,
        kind,
        medium,
        arrival.utm_campaign or NOT_SET,
        paid_click is not None or _is_paid(rules.paid_medium, medium),
        rules.sources.kinds.get(paid_click.network, "") if paid_click else "",
        tuple(param for param, _ in arrival.click_ids),
        host,
        arrival.landing_page,
    )
    term = arrival.utm_term
    if not term and place and place.terms and source == place.name and medium == "organic":
        term = _searched(arrival.referrer or "", place)
    return names, term


def _clicks(arrival: Arrival) -> tuple[ClickParam | None, ClickParam | None]:
    """The strongest click id that proves an ad, and the strongest that does not."""
    paid = other = None
    for param, value in arrival.click_ids:
        found = click_param(param, value)
        if found and found.paid:
            paid = paid or found
        elif found:
            other = other or found
    return paid, other


@lru_cache(maxsize=8_192)
def _name_source(rules: RuleSet, text: str) -> tuple[str, bool]:
    word = plain_word(text)
    for each in (word, word.replace("_", " ").replace("-", " ")):
        if each in rules.same_as:
            return rules.same_as[each], False
        if each in rules.ads_of:
            return rules.ads_of[each], True
        if each in rules.sources.kinds:
            return each, False
    host = word.removeprefix("https://").removeprefix("http://").partition("/")[0].partition(":")[0]
    place = rules.sources.find(host.removeprefix("www.")) if "." in host else None
    return (place.name if place else word), False


@lru_cache(maxsize=8_192)
def _is_paid(pattern: str, medium: str) -> bool:
    return re.fullmatch(pattern, medium, re.IGNORECASE) is not None


# What old result pages wrote their words in, if not UTF-8. Everyone else is asked for Japanese.
_CHARSETS = MappingProxyType(
    {
        **dict.fromkeys(("baidu", "sogou", "360", "shenma"), ("gb18030",)),
        **dict.fromkeys(("naver", "daum", "nate", "zum"), ("cp949",)),
        **dict.fromkeys(("yandex", "rambler", "mail.ru"), ("cp1251",)),
    }
)


def _searched(referrer: str, place: Place) -> str | None:
    """The words searched for, if the engine still tells them in the referrer."""
    query = referrer.partition("?")[2]
    for charset in ("utf-8", *_CHARSETS.get(place.name, ("euc_jp", "cp932"))) if query else ():
        try:
            found = dict(parse_qsl(query, encoding=charset, errors="strict", max_num_fields=100))
        except ValueError:  # UnicodeDecodeError is one
            continue
        words = next((clean_text(found[term], TAG_LIMIT) for term in place.terms if found.get(term)), None)
        # Google's redirector is also behind links in its mail and documents; there 'q' is the page's address.
        return None if words and words.startswith(("http://", "https://")) else words
    return None


@lru_cache(maxsize=512)
def _compiled(rules: RuleSet) -> tuple[tuple[Rule, tuple[Test, ...]], ...]:
    return tuple((rule, tests_of(rule.when)) for rule in rules.rules)


@lru_cache(maxsize=512)
def _looks_at_all(rules: RuleSet) -> bool:
    """False if no rule asks for what differs from hit to hit; then few answers serve for most arrivals."""
    return any(rule.when.click_id or rule.when.referring_host or rule.when.landing_page_like for rule in rules.rules)


@lru_cache(maxsize=32_768)
def _decide(rules: RuleSet, names: Names) -> Rule | None:
    for rule, tests in _compiled(rules):
        if all(test(names) for test in tests):
            return rule
    return None


def _parse(text: str) -> dict[str, Any]:
    if len(text) > RULE_TEXT_LIMIT:
        raise Invalid(f"rules: {len(text)} characters, at most {RULE_TEXT_LIMIT} are read")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise Invalid(f"rules: no TOML: {wrong}") from wrong


def _rules(tables: Any) -> tuple[Rule, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Invalid("rules: each rule is a [[rule]] table")
    if len(tables) > MOST_RULES:
        raise Invalid(f"rules: {len(tables)} rules, at most {MOST_RULES} are taken")
    rules = tuple(map(_rule, tables))
    names = [rule.name for rule in rules]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Invalid(f"rule {twice!r}: there are two of that name")
    return rules


def _rule(table: dict[str, Any]) -> Rule:
    name = table.get("name")
    if not isinstance(name, str) or not name or clean_text(name, RULE_NAME_LIMIT) != name:
        raise Invalid(f"rule {name!r}: a rule has a name of 1 to {RULE_NAME_LIMIT} visible characters")
    for key, value in table.items():
        if key not in {"name", "channel", "when", "source", "medium"}:
            raise Invalid(f"rule {name!r}: {key!r} is not known")
        if key != "when" and not (isinstance(value, str) and value.strip()):
            raise Invalid(f"rule {name!r}: {key} must be a word, not {value!r}")
    if table.get("channel") not in set(Channel) - {Channel.UNATTRIBUTED}:
        raise Invalid(f"rule {name!r}: {table.get('channel')!r} is no channel")
    return Rule(
        name=name,
        channel=Channel(table["channel"]),
        when=read_when(name, table.get("when", {})),
        source=plain_word(table["source"]) if "source" in table else None,
        medium=plain_word(table["medium"]) if "medium" in table else None,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _shipped() -> RuleSet:
    """The rules and sources as shipped. Their version is the edition and a digest of all that decides."""
    folder = files("tracker.channels")
    rules_text, sources_text = (
        folder.joinpath(name).read_text("utf-8").replace("\r\n", "\n") for name in ("channels.toml", "sources.csv")
    )
    document = _parse(rules_text)
    decides = (rules_text, sources_text, repr(list(CLICK_IDS.values())), repr(sorted(EXCLUDED_REFERRERS)))
    return RuleSet(
        rules=_rules(document["rule"]),
        sources=Sources(sources_text),
        same_as=MappingProxyType(document["same_as"]),
        ads_of=MappingProxyType(document["ads_of"]),
        medium_of_kind=MappingProxyType(document["medium_of_kind"]),
        paid_medium=safe_pattern("paid_medium", document["paid_medium"]),
        version=f"{document['edition']}.{_digest(chr(0).join(decides))}",
    )


SHIPPED = _shipped()
RULES_VERSION = SHIPPED.version
