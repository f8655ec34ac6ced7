"""What a user agent string says: browser, system, device, and whether it is a known crawler.

Each distinct string is parsed once and kept in user_agents; parsing costs half a millisecond, so it happens in the
fold and never while a visitor waits.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from re import Pattern, compile
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select, select
from user_agents import parse

from tracker.db.schema import user_agents
from tracker.db.store import Tx
from tracker.db.writes import GIVEN, among, as_one, insert_once
from tracker.ids import derive
from tracker.vocabulary import Device


@dataclass(frozen=True, slots=True)
class Agent:
    """A parsed user agent; `bot` is the name of the crawler pattern that matched, None for people."""

    ua_id: str
    text: str
    browser: str
    os: str
    device: str
    bot: str | None


NONE_AHEAD: Mapping[str, Agent] = MappingProxyType({})
# Clients that are no browsers and that the crawler list does not name everywhere.
NO_BROWSER = compile(
    r"(?i)\b(?:bot|crawl|spider|slurp|curl|wget|python|ruby|java|libwww|libfetch|headless|monitor|feed|http-client)"
)
# Whoever runs a crawler says where to complain (Ezooms, Spinn3r); browsers name no address.
OPERATOR = compile(r"(?i)https?://[\w.-]{1,60}|[\w.+-]{1,60}@[\w.-]{1,60}")


@lru_cache(maxsize=1)
def crawler_names() -> tuple[str, ...]:
    """The patterns of the list, in its order; each is a crawler's name."""
    listed = json.loads(files("crawleruseragents").joinpath("crawler-user-agents.json").read_text("utf-8"))
    return tuple(str(entry["pattern"]) for entry in listed)


@lru_cache(maxsize=1)
def any_crawler() -> Pattern[str]:
    """One pattern that finds any crawler of the list."""
    return compile("|".join(f"(?:{pattern})" for pattern in crawler_names()))


@lru_cache(maxsize=1)
def each_crawler() -> tuple[tuple[str, Pattern[str]], ...]:
    """Each crawler's name and pattern; made when the first crawler comes, for that takes a third of a second."""
    return tuple((name.replace("\\", ""), compile(name)) for name in crawler_names())


def bot_name(text: str) -> str | None:
    """Which crawler a user agent is, or None. An empty user agent is one: browsers always send theirs."""
    if not text:
        return "no user agent"
    if any_crawler().search(text):
        return next(name for name, pattern in each_crawler() if pattern.search(text))
    found = NO_BROWSER.search(text) or OPERATOR.search(text)
    return found.group(0).lower() if found else None


@lru_cache(maxsize=4_096)
def read_agent(text: str) -> Agent:
    """Parse one user agent string; never raises."""
    parsed = parse(text)
    if parsed.is_tablet:
        device = Device.TABLET
    elif parsed.is_mobile:
        device = Device.MOBILE
    else:
        device = Device.DESKTOP if parsed.is_pc else Device.OTHER
    return Agent(
        ua_id=derive("ua", text),
        text=text,
        browser=parsed.browser.family[:60],
        os=parsed.os.family[:60],
        device=device.value,
        bot=bot_name(text),
    )


def agents_of(tx: Tx, texts: Iterable[str], ahead: Mapping[str, Agent] = NONE_AHEAD) -> Mapping[str, Agent]:
    """The parsed agent of each text; what was not seen before is parsed and kept.

    ahead  those that are known already
    """
    unknown = {text for text in texts if text not in ahead}
    if not unknown:
        return ahead
    found = known_agents(tx, unknown)
    fresh = [read_agent(text) for text in sorted(unknown - found.keys())]
    insert_once(tx, user_agents, [asdict(agent) for agent in fresh])
    return {**ahead, **found, **{agent.text: agent for agent in fresh}}


def known_agents(tx: Tx, texts: Iterable[str]) -> dict[str, Agent]:
    """The agents that are kept, by text."""
    query = kept_agents(tx.dialect.name)
    return {row.text: Agent(*row) for row in tx.execute(query, {"given": as_one(derive("ua", text) for text in texts)})}


@lru_cache(maxsize=2)
def kept_agents(dialect: str) -> Select[Any]:
    """The query of known_agents, of GIVEN ids."""
    return select(user_agents).where(among(dialect, user_agents.c.ua_id, GIVEN))
