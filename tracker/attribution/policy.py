"""(pure) A site's attribution policy: what its owners settled about credit, as data, one version after the other.

Channel rules of the site's own, demand capture, look-backs, shares, results of experiments. It is read when a report is
read, never folded into the facts: so a policy can be tried on all history before it is saved, and any saved version can
be asked for again. Stored by policies.py; the rules of the shipped channels are tracker/channels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tracker.attribution.terms import (
    HALF_LIFE_DAYS,
    LEAD_LOOKBACK_DAYS,
    DirectPolicy,
    Fit,
    Shares,
    Terms,
)
from tracker.attribution.touches import DAY_MS
from tracker.errors import Invalid
from tracker.vocabulary import FLAT, Model, PathScope

# What a rule may look at: the flat words of a touch. `channel` is the shipped rules' word.
RULE_FIELDS = FLAT


SMALL = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class ChannelRule(Struct, frozen=True):
    """The first rule whose patterns all match renames a touch's channel, or takes the touch off every path.

    where    by field (RULE_FIELDS) a pattern: the whole text, A to Z in any case, * for any characters
    channel  the channel's name; empty: the touch is excluded
    """

    where: dict[str, str]
    channel: str = ""


class Own(Struct, frozen=True):
    """What one model does differently; None: as the policy says. Days of 0 mean no limit."""

    direct: DirectPolicy | None = None
    lead_days: int | None = None
    money_days: int | None = None


class Measured(Struct, frozen=True):
    """What an experiment found for a channel: how many percent of its credit it confirmed, with the interval."""

    channel: str
    percent: int
    low: int
    high: int
    from_day: str
    to_day: str
    note: str = ""


class Custom(Struct, frozen=True):
    """The shares of the site's own model, in ten-thousandths that add up to 10,000."""

    first: int = 3_000
    lead: int = 3_000
    deal: int = 3_000
    close: int = 0
    middle: int = 1_000


class Policy(Struct, frozen=True):
    """A site's policy; as written here it is that of a new site. Days of 0 mean no limit.

    upsells       whether upsell, cross-sell and renewal deals take the full history or what came since the last win
    markov_order  which chain the Markov models use, 1 to 3
    """

    direct: DirectPolicy = DirectPolicy.LAST_RESORT
    capture: tuple[str, ...] = ()
    scope: PathScope = PathScope.DEAL
    lead_days: int = LEAD_LOOKBACK_DAYS
    money_days: int = 0
    half_life_days: int = HALF_LIFE_DAYS
    custom: Custom = Custom()
    upsells: str = "full"
    markov_order: int = 1
    models: dict[str, Own] = {}
    rules: tuple[ChannelRule, ...] = ()
    measured: tuple[Measured, ...] = ()


SHIPPED = Policy()


def read_policy(stored: Any) -> Policy:
    """A policy as it stands in the store."""
    return msgspec.convert(stored, Policy)


def written(policy: Policy) -> dict[str, Any]:
    """A policy as it is stored: JSON values."""
    found: dict[str, Any] = msgspec.to_builtins(policy)
    return found


def terms_of(
    policy: Policy,
    model: Model,
    fit: Fit | None = None,
    *,
    direct: DirectPolicy | None = None,
    lookback_days: int | None = None,
    scope: PathScope | None = None,
) -> Terms:
    """The terms of a model under a policy; what the reader asks for goes before it.

    fit     the fit in force; needed by the models that learn
    raises  Invalid(field="model"): the model has no fit
    """
    own = policy.models.get(model.value, Own())
    lead_days = policy.lead_days if own.lead_days is None else own.lead_days
    money_days = policy.money_days if own.money_days is None else own.money_days
    learned: dict[str, Any] = {}
    if model in {Model.MARKOV, Model.MARKOV_GLOBAL}:
        effects = fit.effects.get(policy.markov_order) if fit else None
        if effects is None:
            raise Invalid(unfitted(model, fit), field="model")
        learned["effects"] = effects
    if model is Model.HAZARD:
        if fit is None or fit.hazard is None:
            raise Invalid(unfitted(model, fit), field="model")
        learned["hazard"] = fit.hazard
    return Terms(
        model=model,
        direct=direct or own.direct or policy.direct,
        capture=frozenset(policy.capture),
        scope=scope or policy.scope,
        lead_days=lookback_days or lead_days or None,
        money_days=lookback_days or money_days or None,
        since_last_win=policy.upsells == "since_last_win",
        half_life_ms=policy.half_life_days * DAY_MS,
        custom=Shares(**msgspec.structs.asdict(policy.custom)),
        measured={one.channel: one.percent for one in policy.measured},
        **learned,
    )


def unfitted(model: Model, fit: Fit | None) -> str:
    """Why a model that learns cannot be asked yet."""
    learned_as = Model.MARKOV if model is Model.MARKOV_GLOBAL else model
    why = fit.refusals.get(learned_as.value) if fit else None
    return f"{model.value} has not been fitted on this site's paths: {why or 'run `minamoto fit` first'}"


def namer(rules: Sequence[ChannelRule]) -> Callable[[Mapping[str, str]], str | None]:
    """Who names the channels of touches under a site's own rules, from their words; None: a rule excludes the touch.

    What it is called with are a touch's words by name: the fields that the rules look at, and `channel`. Each value of
    a field is held against the rules once, however many touches have it.
    """
    fields = fields_of(rules)
    everything = (1 << len(rules)) - 1
    patterns = {
        field: [(1 << i, like(rule.where[field])) for i, rule in enumerate(rules) if field in rule.where]
        for field in fields
    }
    # By field: the rules that do not look at it, as bits; by value: those that its value does not bar.
    open_to = {field: everything - sum(bit for bit, _ in patterns[field]) for field in fields}
    known: dict[str, dict[str, int]] = {field: {} for field in fields}

    def name(words: Mapping[str, str]) -> str | None:
        left = everything
        for field in fields:
            value = words[field]
            bits = known[field].get(value)
            if bits is None:
                text = small(value)
                bits = open_to[field] + sum(bit for bit, is_meant in patterns[field] if is_meant(text))
                known[field][value] = bits
            left &= bits
        if not left:
            return words["channel"]
        return rules[(left & -left).bit_length() - 1].channel or None

    return name


def channel_by(rules: Sequence[ChannelRule], values: Mapping[str, str]) -> str | None:
    """The channel of one touch; see `namer`."""
    return namer(rules)(values)


def matches(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern means."""
    return like(pattern)(small(text))


def like(pattern: str) -> Callable[[str], bool]:
    """Whether a text, made `small`, is what a pattern means."""
    head, *rest = small(pattern).split("*")
    if not rest:
        return head.__eq__
    *middle, tail = rest

    def is_meant(text: str) -> bool:
        place, end = len(head), len(text) - len(tail)
        if place > end or not text.startswith(head) or not text.endswith(tail):
            return False
        for part in middle:
            place = text.find(part, place, end)
            if place < 0:
                return False
            place += len(part)
        return True

    return is_meant


def small(text: str) -> str:
    """A text with A to Z in lower case; other letters keep theirs, as databases have it everywhere."""
    return text.lower() if text.isascii() else text.translate(SMALL)


def fields_of(rules: Sequence[ChannelRule]) -> tuple[str, ...]:
    """The fields that rules look at, in the order of RULE_FIELDS."""
    return tuple(name for name in RULE_FIELDS if any(name in rule.where for rule in rules))
