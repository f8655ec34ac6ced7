"""(pure) Who stands behind a host: sources.csv, asked by host or by name.

Decides only names and kinds; what a kind means for the channel is in channels.toml. Called by rules.
"""

import csv
import re
from dataclasses import dataclass
from functools import lru_cache

from tracker.errors import Invalid

# '.com', '.de', '.co.jp', '.com.br' …: endings under which a registry gives a name to one owner. 'evil.com'
# is none: who owns it can put any name in front.
_ENDING = re.compile(r"com|net|org|cat|[a-z]{2}|(?:com?|org|net|ne|or)\.[a-z]{2}")


@dataclass(frozen=True, slots=True)
class Place:
    """Who stands behind a host.

    name   the source's name
    kind   search social video shopping email ai ads affiliate site
    terms  query parameters in which a search engine tells the words searched for; the first present counts
    """

    name: str
    kind: str
    terms: tuple[str, ...]


class Sources:
    """The table. `kinds` maps every name to its kind."""

    def __init__(self, text: str) -> None:
        """Read the table; raises Invalid for a host that stands there twice or a name of two kinds."""
        self.kinds: dict[str, str] = {}
        self._below: dict[str, Place] = {}  # 'example.com': it and its subdomains
        self._only: dict[str, Place] = {}  # '^example.com'
        self._below_everywhere: dict[str, Place] = {}  # 'example.*', without the '.*'
        self._only_everywhere: dict[str, Place] = {}  # '^example.*'
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        for row in csv.DictReader(lines, strict=True):
            self._add(row["host"], Place(row["name"], row["kind"], tuple(row["terms"].split())))
        # Strangers choose the hosts; the memory is bounded.
        self.find = lru_cache(maxsize=65_536)(self._find)

    def __len__(self) -> int:
        """The number of hosts and apps."""
        return sum(
            map(len, (self._below, self._only, self._below_everywhere, self._only_everywhere)),
        )

    def _add(self, host: str, place: Place) -> None:
        if self.kinds.setdefault(place.name, place.kind) != place.kind:
            raise Invalid(f"sources: {place.name!r} is both {self.kinds[place.name]} and {place.kind}")
        if not host:
            return
        only, everywhere = host.startswith("^"), host.endswith(".*")
        if everywhere:
            table = self._only_everywhere if only else self._below_everywhere
        else:
            table = self._only if only else self._below
        key = host.removeprefix("^").removesuffix(".*")
        if key in table:
            raise Invalid(f"sources: {host!r} stands there twice")
        table[key] = place

    def _find(self, host: str) -> Place | None:
        """Who stands behind a host (lower-case, no 'www.') or 'android-app://id'; the longest match wins."""
        if "://" in host:
            return self._below.get(host)
        labels = host.split(".")
        for start in range(len(labels)):
            rest = labels[start:]
            name = ".".join(rest)
            found = (self._only.get(name) if start == 0 else None) or self._below.get(name)
            found = found or self._find_everywhere(rest, whole=start == 0)
            if found:
                return found
        return None

    def _find_everywhere(self, labels: list[str], whole: bool) -> Place | None:
        for length in (1, 2):
            name, ending = ".".join(labels[:-length]), ".".join(labels[-length:])
            if name and _ENDING.fullmatch(ending):
                found = (self._only_everywhere.get(name) if whole else None) or self._below_everywhere.get(name)
                if found:
                    return found
        return None
