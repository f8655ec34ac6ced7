"""Amounts into the report's currency, each once and at its own day's rate; what has no rate is kept apart."""

from dataclasses import dataclass

from tracker.money import exponent
from tracker.rates import find_rate, last_day


@dataclass(frozen=True, slots=True)
class Unconverted:
    """Amounts that are in no figure of the report, in their own currency's minor units."""

    currency: str
    revenue_minor: int
    cost_minor: int


class Exchange:
    """Converts into one currency; `currency` is None while the site has none, and then nothing converts."""

    def __init__(self, currency: str | None) -> None:
        self.currency = currency
        self.has_late_rates = False
        self._revenue: dict[str, int] = {}
        self._cost: dict[str, int] = {}

    def convert(self, amount_minor: int, currency: str, day: str) -> int | None:
        """Minor units of the report's currency; None where there is no rate."""
        if self.currency is None:
            return None
        if currency == self.currency:
            return amount_minor
        rate = find_rate(currency, self.currency, day)
        if rate is None:
            return None
        self.has_late_rates |= rate.is_late
        return rate.convert(amount_minor, exponent(currency), exponent(self.currency))

    def leave_out(self, currency: str, *, revenue_minor: int = 0, cost_minor: int = 0) -> None:
        """Keep an amount apart that has no rate."""
        self._revenue[currency] = self._revenue.get(currency, 0) + revenue_minor
        self._cost[currency] = self._cost.get(currency, 0) + cost_minor

    def twin(self) -> "Exchange":
        """Another that knows what this one has left out so far."""
        twin = Exchange(self.currency)
        twin.has_late_rates = self.has_late_rates
        twin._revenue, twin._cost = dict(self._revenue), dict(self._cost)
        return twin

    @property
    def unconverted(self) -> tuple[Unconverted, ...]:
        """What was left out, by currency."""
        return tuple(Unconverted(code, self._revenue[code], self._cost[code]) for code in sorted(self._revenue))

    @property
    def last_day(self) -> str:
        """The last day with known rates."""
        return last_day()
