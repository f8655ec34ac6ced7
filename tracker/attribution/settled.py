"""(pure) A policy changed by what its owners say: checked field by field, and refused with what may stand there.

The API, the page and the command line all come through `changed`; whatever is stored has passed it.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import ValidationError

from tracker.attribution.policy import RULE_FIELDS, ChannelRule, Custom, Measured, Own, Policy, written
from tracker.attribution.terms import WHOLE_SHARE, DirectPolicy
from tracker.clock import parse_day
from tracker.errors import Invalid
from tracker.vocabulary import Channel, Model, PathScope

MOST_DAYS = 36_500
MOST_HALF_LIFE_DAYS = 365
MOST_PERCENT = 1_000
MOST_RULES = 200
MOST_CHANNELS = 100
LONGEST_PATTERN = 200
LONGEST_NOTE = 500
UPSELLS = ("full", "since_last_win")
CHANNEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
PLACE = re.compile(r" - at `(?:key in )?`?\$?(?P<path>[^`]*)`$")
WORDS: Mapping[str, Collection[str]] = {
    "direct": tuple(DirectPolicy),
    "scope": tuple(PathScope),
    "upsells": UPSELLS,
}
INSIDE = {"custom": Custom, "models": Own, "rules": ChannelRule, "measured": Measured}


def changed(policy: Policy, told: Mapping[str, Any]) -> Policy:
    """The policy with some of its fields set anew, each as a whole; raises Invalid that says what may stand there.

    told  by name of a field its value as JSON has it (policy.written); `custom` may leave out shares that are 0
    """
    for name in told:
        if name not in Policy.__struct_fields__:
            raise Invalid(f"there is no setting {str(name)[:40]!r}", field=str(name)[:40])
    for name, inside in INSIDE.items():
        for place, one in _inner(name, told.get(name)):
            _known(place, one, inside)
    for name, words in WORDS.items():
        if name in told:
            _one_of(name, told[name], words)
    try:
        asked = msgspec.convert({**written(policy), **_whole(told)}, Policy)
    except ValidationError as error:
        raise _told_again(error) from None
    check(asked)
    return asked


def check(policy: Policy) -> None:
    """Raise Invalid for the first thing in a policy that may not stand there."""
    _channels("capture", policy.capture)
    _between("lead_days", policy.lead_days, 0, MOST_DAYS)
    _between("money_days", policy.money_days, 0, MOST_DAYS)
    _between("half_life_days", policy.half_life_days, 1, MOST_HALF_LIFE_DAYS)
    _between("markov_order", policy.markov_order, 1, 3)
    _one_of("upsells", policy.upsells, UPSELLS)
    _shares(policy.custom)
    for name, own in policy.models.items():
        _one_of(f"models.{name[:40]}", name, tuple(Model))
        for days in ("lead_days", "money_days"):
            if (value := getattr(own, days)) is not None:
                _between(f"models.{name}.{days}", value, 0, MOST_DAYS)
    if len(policy.rules) > MOST_RULES:
        raise Invalid(f"{len(policy.rules)} rules; at most {MOST_RULES}", field="rules")
    for i, rule in enumerate(policy.rules):
        _rule(f"rules.{i}", rule)
    _channels("measured", [one.channel for one in policy.measured])
    for i, one in enumerate(policy.measured):
        _experiment(f"measured.{i}", one)


def _rule(place: str, rule: ChannelRule) -> None:
    if not rule.where:
        raise Invalid("a rule needs a pattern, or it would take every touch", field=f"{place}.where")
    for name, pattern in rule.where.items():
        _one_of(f"{place}.where", name, RULE_FIELDS)
        _text(f"{place}.where.{name}", pattern, LONGEST_PATTERN)
        if not pattern.strip():
            raise Invalid("is empty; * stands for any characters", field=f"{place}.where.{name}")
    if rule.channel:
        _channel(f"{place}.channel", rule.channel)


def _experiment(place: str, one: Measured) -> None:
    for name in ("percent", "low", "high"):
        _between(f"{place}.{name}", getattr(one, name), 0, MOST_PERCENT)
    if not one.low <= one.percent <= one.high:
        raise Invalid(
            f"{one.percent} % is not between {one.low} and {one.high}, the ends of its interval",
            field=f"{place}.percent",
        )
    first, last = (parse_day(getattr(one, name), f"{place}.{name}") for name in ("from_day", "to_day"))
    if first > last:
        raise Invalid(f"the experiment begins on {first}, after it ends on {last}", field=f"{place}.from_day")
    _text(f"{place}.note", one.note, LONGEST_NOTE)


def _shares(custom: Custom) -> None:
    shares = msgspec.structs.asdict(custom)
    for name, value in shares.items():
        _between(f"custom.{name}", value, 0, WHOLE_SHARE)
    if sum(shares.values()) != WHOLE_SHARE:
        raise Invalid(
            f"the shares add up to {sum(shares.values()):,}; they are ten-thousandths and make {WHOLE_SHARE:,}",
            field="custom",
        )


def _channels(field: str, names: Collection[str]) -> None:
    if len(names) > MOST_CHANNELS:
        raise Invalid(f"{len(names)} channels; at most {MOST_CHANNELS}", field=field)
    for name in names:
        _channel(field, name)
    if len(set(names)) != len(names):
        raise Invalid("a channel stands there twice", field=field)


def _channel(field: str, name: str) -> None:
    if not CHANNEL_NAME.fullmatch(name):
        raise Invalid(
            f"{name[:40]!r} is no name of a channel; use a to z, 0 to 9 and _, at most 40, a letter first", field=field
        )
    if name == Channel.UNATTRIBUTED:
        raise Invalid(f"{name} is what no touch explains; no channel may be called so", field=field)


def _between(field: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise Invalid(f"{number} is not one of {least:,} to {most:,}", field=field)


def _one_of(field: str, word: Any, words: Collection[str]) -> None:
    if not isinstance(word, str) or word not in words:
        raise Invalid(f"{str(word)[:40]!r} is not one of {', '.join(words)}", field=field)


def _text(field: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise Invalid(f"has {len(text)} characters; at most {longest}", field=field)
    if CONTROL.search(text):
        raise Invalid("holds a control character", field=field)


def _inner(name: str, value: Any) -> list[tuple[str, Any]]:
    """The objects inside a field that was told, each with its place; what is none is left to the conversion."""
    if isinstance(value, list | tuple):
        return [(f"{name}.{i}", one) for i, one in enumerate(value)]
    if name == "models" and isinstance(value, dict):
        return [(f"{name}.{str(key)[:40]}", one) for key, one in value.items()]
    return [(name, value)]


def _known(place: str, told: Any, inside: type[Any]) -> None:
    for name in told if isinstance(told, dict) else ():
        if name not in inside.__struct_fields__:
            raise Invalid(f"there is no {str(name)[:40]!r} here", field=f"{place}.{str(name)[:40]}")


def _whole(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was told; shares that it leaves out are 0."""
    if isinstance(told.get("custom"), dict):
        return {**told, "custom": {**dict.fromkeys(Custom.__struct_fields__, 0), **told["custom"]}}
    return dict(told)


def _told_again(error: ValidationError) -> Invalid:
    """msgspec's error under the name of its field: `$.rules[0].where` is rules.0.where."""
    text = str(error)
    found = PLACE.search(text)
    path = re.sub(r"\[(\d+)\]", r".\1", found["path"]).replace("[...]", "") if found else ""
    return Invalid(PLACE.sub("", text), field=path.strip("."))
