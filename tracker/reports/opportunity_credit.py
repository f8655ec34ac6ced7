"""Whose deals they are: each deal shared over the touches before it was created, by the reader's model.

A deal without such a touch is nobody's. What is shared adds up exactly, for it is shared as everywhere else
(attribution/credit.py): docs/attribution.md#rounding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.attribution.credit import Weighted, exact, group_sums, share, with_rest, without_idle
from tracker.attribution.models import weigh_all
from tracker.attribution.touches import Bools, Ints
from tracker.reports.columns import KINDS, NOBODY, Conversions, Walks
from tracker.reports.crediting import walk, ways
from tracker.reports.globally import check_single
from tracker.reports.packed import Ids
from tracker.reports.query import Query
from tracker.reports.scans import Engine, Scope
from tracker.vocabulary import Basis, ConversionKind

CREATED = KINDS.index(ConversionKind.DEAL_CREATED)
ALWAYS = ("0001-01-01", "9999-12-31")


@dataclass(frozen=True, slots=True)
class Credited:
    """The weighed paths of deals' creation.

    numbers  by deal: the number of its path
    codes    per touch: the number of its value in `values`, NOBODY for what the model leaves unexplained
    """

    numbers: Mapping[str, int]
    weighted: Weighted
    codes: Ints
    values: Sequence[str]

    def parts(self, deal_ids: Sequence[str], amounts: Sequence[int]) -> tuple[Ints, Ints, NDArray[Any]]:
        """Share each deal's amount: per part its place in the list, the number of its value or NOBODY, and how much.

        The parts of an amount add up to it, whatever they are; a value may have several, one for each of its touches.
        """
        paths = np.array([self.numbers.get(one, NOBODY) for one in deal_ids], dtype=np.int64)
        explained = np.append(self.weighted.totals, 0)[paths] > 0
        given: NDArray[Any] = exact(list(amounts))
        chosen, lost = np.flatnonzero(explained), np.flatnonzero(~explained)
        shared = share(given[chosen], paths[chosen], self.weighted)
        places = np.concatenate((np.repeat(chosen, np.diff(shared.offsets)), lost)).astype(np.int64)
        codes = np.concatenate((self.codes[shared.touches], np.full(len(lost), NOBODY))).astype(np.int64)
        return places, codes, np.concatenate((shared.shares, given[lost]))

    def shares(self, deal_ids: Sequence[str], amounts: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """The same, one by one, those of a value together, without what is nothing."""
        places, codes, parts = self.parts(deal_ids, amounts)
        size = len(self.values) + 1
        found, groups = np.unique(places * size + codes + 1, return_inverse=True)
        for cell, amount in zip(found.tolist(), group_sums(parts, groups, len(found)), strict=True):
            if amount:
                place, code = divmod(cell, size)
                yield place, code - 1, amount


def credited_of(engine: Engine, query: Query) -> Credited:
    """The weighed paths of a site's deals, valued by the query's one dimension; raises Invalid for a global model."""
    check_single(query.model)
    scope = Scope(query.site_id, Basis.ACTIVITY, *ALWAYS, query.by, rules=query.policy.rules)
    scan = engine.scan(scope)
    chosen = np.asarray(scan.conversions.kinds == CREATED, dtype=np.bool_)
    found = conversions_among(scan.conversions, chosen)
    walked = walk(scope, walks_among(scan.walks, chosen))
    paths = ways(query.terms, found, walked)
    weights, rest = weigh_all(query.terms, paths)
    weighted, places = with_rest(Weighted(paths.offsets, weights, walked.ties), rest)
    weighted, kept = without_idle(weighted)
    places = places[kept]
    return Credited(
        numbers={deal_id: number for number, deal_id in enumerate(found.deal_ids) if deal_id},
        weighted=weighted,
        codes=np.asarray(walked.codes[places], dtype=np.int64),
        values=[own[0] for own in walked.values],
    )


def conversions_among(found: Conversions, chosen: Bools) -> Conversions:
    """Some of the conversions, without their own ids and their contacts'."""
    places = np.flatnonzero(chosen)
    deal_ids = found.deal_ids
    return Conversions(
        [],
        [],
        deal_ids.some(places) if isinstance(deal_ids, Ids) else [deal_ids[i] for i in places.tolist()],
        found.kinds[chosen],
        found.converted_ms[chosen],
        found.days[chosen],
        found.lead_days[chosen],
        found.deals[chosen],
        found.counts[chosen],
        found.by_company[chosen],
        found.lead_ms[chosen],
        found.deal_ms[chosen],
        found.last_win_ms[chosen],
    )


def walks_among(walks: Walks, chosen: Bools) -> Walks:
    """The paths of some conversions, without their touches' ids."""
    lengths = np.diff(walks.offsets)
    kept = np.repeat(chosen, lengths)
    return Walks(
        np.concatenate(([0], np.cumsum(lengths[chosen]))).astype(np.int64),
        walks.touched_ms[kept],
        walks.days[kept],
        walks.scopes[kept],
        walks.ties[kept],
        walks.seen[kept],
        walks.words,
    )
