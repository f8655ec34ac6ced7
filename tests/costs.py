"""A site's costs as tests tell of them: imports by their names, campaigns of one day, amounts in yen."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, Row, func, select

from tests.world import START
from tracker.access.sites import add_site
from tracker.costs.choices import Choices
from tracker.costs.importing import take_in, undo
from tracker.costs.load import cost_id_of, load, save_rules, take_away
from tracker.costs.naming import CostRule
from tracker.costs.rows import Cost
from tracker.costs.understand import Understood
from tracker.db.schema import costs, replaced_costs
from tracker.db.store import begin, reading
from tracker.ids import derive
from tracker.vocabulary import AdPlatform

DAY = "2026-04-01"
CHOICES = Choices(AdPlatform.OWN, "utf-8", "comma", 0)


class Book:
    """What a site knows of costs; each word is told a minute after the one before."""

    def __init__(self, store: Engine) -> None:
        self.store, self.now, self.n_sites = store, START, 0
        self.anew()

    def anew(self) -> None:
        """Go on with another site."""
        self.n_sites += 1
        with begin(self.store) as tx:
            name = f"site{self.n_sites}"
            self.site_id = add_site(tx, name, [f"{name}.example"], now=START, currency="JPY", key=name).site_id

    def tell(self, amounts: dict[str, int]) -> None:
        """As a program does."""
        self.now += timedelta(minutes=1)
        with begin(self.store) as tx:
            load(tx, self.site_id, rows_of(amounts), self.now)

    def take_in(self, name: str, amounts: dict[str, int]) -> None:
        """Import a file."""
        self.now += timedelta(minutes=1)
        rows = rows_of(amounts)
        total = sum(amounts.values())
        found = Understood((), (), (), rows, (("JPY", Decimal(total), total),), 0, None, None)
        with begin(self.store) as tx:
            take_in(tx, self.site_id, name, CHOICES, found, "alice", self.now, name)

    def take_back(self, name: str) -> tuple[int, int]:
        """Take an import back; how many of its costs stood, and in the place of how many another stands now."""
        self.now += timedelta(minutes=1)
        with begin(self.store) as tx:
            done = undo(tx, self.site_id, derive("cost import", self.site_id, name), "alice", self.now)
        assert done.imported.n_standing == 0
        return done.n_stood, done.n_back

    def take_away(self, campaign: str) -> None:
        """Take a cost away by hand."""
        with begin(self.store) as tx:
            take_away(tx, self.site_id, cost_id_of(self.site_id, DAY, "google", "cpc", campaign))

    def call(self, rules: list[CostRule]) -> None:
        """Name campaigns by these rules."""
        with begin(self.store) as tx:
            save_rules(tx, self.site_id, rules, "alice", self.now)

    def standing(self) -> dict[str, int]:
        """The amount of each campaign as told."""
        return {str(row.told_campaign): row.amount_minor for row in self.rows()}

    def rows(self) -> list[Row[Any]]:
        """All that is known of the costs that stand."""
        with reading(self.store) as tx:
            query = select(costs).where(costs.c.site_id == self.site_id).order_by(costs.c.cost_id)
            return list(tx.execute(query))

    def n_kept(self) -> int:
        """How many replaced costs are kept, of any site."""
        with reading(self.store) as tx:
            return tx.execute(select(func.count()).select_from(replaced_costs)).scalar_one()


def rows_of(amounts: dict[str, int]) -> tuple[Cost, ...]:
    """Costs of these campaigns; as many clicks as yen."""
    return tuple(Cost(DAY, "google", "cpc", name, amount, "JPY", amount) for name, amount in amounts.items())
