"""(pure) What a site's snippet does: consent, which fields leave, which clicks count, which adapters it carries.

Stored with the site, changed by its owners on a page or by `minamoto site set`, served in front of the snippet's code.
Attributes on a tag override them on that page.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from tracker.errors import Invalid

Consent = Literal["opt-in", "opt-out", "none"]
Field = Literal["phone", "name", "company"]
Click = Literal["outbound", "download"]
Adapter = Literal[
    "hubspot",
    "marketo",
    "cf7",
    "gravity",
    "elementor",
    "wpforms",
    "ninja",
    "typeform",
    "calendly",
    "tally",
    "calcom",
    "intercom",
    "drift",
    "hubspotchat",
    "tawk",
    "crisp",
    "livechat",
    "gcm",
    "tcf",
]
CONSENTS, FIELDS, CLICKS = get_args(Consent), get_args(Field), get_args(Click)
ADAPTERS: tuple[str, ...] = get_args(Adapter)
WORDS: Mapping[str, tuple[str, ...]] = {"consent": CONSENTS, "fields": FIELDS, "clicks": CLICKS, "parts": ADAPTERS}


class Tracking(Struct, frozen=True):
    """A site's settings; as written here they are those of a new site.

    consent  opt-in: nothing is stored or sent before consent; opt-out: until the visitor refuses; none: nobody asks
    gpc      whether Global Privacy Control is honoured
    dnt      whether Do Not Track is honoured
    fields   what of a form leaves beside the e-mail address
    hash     whether a change of what stands behind '#' is a page view
    clicks   which clicks are events
    parts    adapters of form providers, chats and consent tools that the snippet carries
    """

    consent: Consent = "opt-in"
    gpc: bool = True
    dnt: bool = False
    fields: tuple[Field, ...] = ("phone",)
    hash: bool = False
    clicks: tuple[Click, ...] = ()
    parts: tuple[Adapter, ...] = ()


SHIPPED = Tracking()


def read_tracking(stored: Any) -> Tracking:
    """Settings as they stand in the store; a setting or a word that this release does not know is left out."""
    found = SHIPPED
    for name, value in stored.items() if isinstance(stored, dict) else ():
        known = [word for word in value if word in WORDS.get(name, ())] if isinstance(value, list) else value
        with suppress(Invalid):
            found = changed(found, {name: known})
    return found


def written(tracking: Tracking) -> dict[str, Any]:
    """Settings as they are stored: JSON values."""
    told = {name: getattr(tracking, name) for name in Tracking.__struct_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}


def changed(tracking: Tracking, told: Mapping[str, object]) -> Tracking:
    """The settings with some of them set anew; raises Invalid that says what may stand there.

    told  by name of a setting: a bool, a word, or words; words in any order, each once is enough
    """
    clean: dict[str, Any] = written(tracking)
    for name, value in told.items():
        if name not in Tracking.__struct_fields__:
            raise Invalid(f"there is no setting {name[:40]!r}", field=name[:40])
        if isinstance(getattr(SHIPPED, name), bool):
            if not isinstance(value, bool):
                raise Invalid(f"{str(value)[:40]!r} is neither yes nor no", field=name)
            clean[name] = value
        elif name == "consent":
            clean[name] = _one_of(name, str(value))
        else:
            words = value if isinstance(value, Iterable) and not isinstance(value, str) else str(value).split(",")
            chosen = {_one_of(name, str(word).strip()) for word in words if str(word).strip()}
            clean[name] = [word for word in WORDS[name] if word in chosen]
    return msgspec.convert(clean, Tracking)


def _one_of(name: str, word: str) -> str:
    if word not in WORDS[name]:
        raise Invalid(f"{word[:40]!r} is not one of {', '.join(WORDS[name])}", field=name)
    return word
