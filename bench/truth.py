"""Which model to trust: every model against worlds in which it is known what each channel causes.

    python bench/truth.py [--people 40000] [--truth-people 40000] [--seeds 2] [--world demand] [--order 3] [--brief]

A world (parts/worlds.py) is run as a tracker sees it; every model shares out its conversions under the same Terms as in
a report, told nothing, told what it is told on a new site, and told which channels capture demand. Against it stands
what the channels really cause. Prints Markdown tables: docs/which-model.md says how to read them. Measures; proves
nothing about any real site.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from parts import machine
from parts.worlds import DIRECT, Seen, Source, Truth, World, seen, truth

from tracker.attribution import fitting, markov
from tracker.attribution.models import MODELS, sums_of, weigh_all
from tracker.attribution.standing import eligible_all
from tracker.attribution.terms import SCALE, DirectPolicy, Hazard, Terms
from tracker.attribution.touches import ALWAYS_MS
from tracker.vocabulary import Model

Numbers = NDArray[np.float64]

BUYERS = {"brand_search": 0.35, "coupon": 0.15}
CAPTURE = frozenset(BUYERS)
# Who wants to buy looks for the brand and for a coupon; neither makes anybody buy.
WANTED = {"brand_search": Source(reach=0.03, drawn=1), "coupon": Source(reach=0.01, drawn=1)}
DEMAND = {
    "display": Source(reach=0.03, effect=0.0025, half_life_days=6),
    "paid_social": Source(reach=0.03, drawn=0.5, effect=0.003, half_life_days=3),
    "paid_search": Source(reach=0.02, drawn=1, effect=0.006, half_life_days=2),
    "email": Source(reach=0.03, drawn=0.5, effect=0.001, half_life_days=2),
    **WANTED,
}

WORLDS = (
    World(
        "chance",
        "People meet the channels by mere chance; four of five work, and whoever wants to convert comes direct.",
        {
            "display": Source(reach=0.03, effect=0.002, half_life_days=8),
            "paid_social": Source(reach=0.03, effect=0.004, half_life_days=4),
            "paid_search": Source(reach=0.02, effect=0.012, half_life_days=2),
            "paid_video": Source(reach=0.02, effect=0.005, half_life_days=6),
            "email": Source(reach=0.04),
        },
        moment=1,
    ),
    World(
        "closer",
        "One strong closer: paid search decides within a day or two, the others do little.",
        {
            "display": Source(reach=0.04, effect=0.0004, half_life_days=6),
            "paid_social": Source(reach=0.03, effect=0.0005),
            "email": Source(reach=0.03, drawn=0.5, effect=0.0005),
            "paid_search": Source(reach=0.015, drawn=0.5, effect=0.06, half_life_days=1),
            **WANTED,
        },
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "opener",
        "One strong opener: display works for weeks and makes people search; search itself does little.",
        {
            "display": Source(reach=0.02, effect=0.005, half_life_days=14),
            "paid_search": Source(reach=0.01, drawn=1, fed={"display": 0.06}, effect=0.002, half_life_days=1),
            "email": Source(reach=0.03, drawn=0.5, effect=0.0005),
            "brand_search": Source(reach=0.02, drawn=1, fed={"display": 0.04}),
            "coupon": WANTED["coupon"],
        },
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "follower",
        "Retargeting follows whoever was on the site, and does nothing. Its marketers do not know.",
        {
            "display": Source(reach=0.03, effect=0.003, half_life_days=6),
            "paid_social": Source(reach=0.03, effect=0.006, half_life_days=3),
            "paid_search": Source(reach=0.02, drawn=1, effect=0.006, half_life_days=2),
            "retargeting": Source(follows=0.15),
            **WANTED,
        },
        arrivals={"brand_search": 0.25, "coupon": 0.1, "retargeting": 0.2},
        capture=CAPTURE,
    ),
    World(
        "demand",
        "Intent drives most of what is seen: who wants to buy searches, opens mails, looks for a coupon.",
        DEMAND,
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "slow",
        "As in demand, but a deal is won some two weeks after the buyer has decided, as companies buy.",
        DEMAND,
        arrivals=BUYERS,
        capture=CAPTURE,
        closes_days=14,
    ),
    World(
        "together",
        "Display and e-mail do little alone and much together.",
        DEMAND
        | {
            "display": Source(reach=0.05, effect=0.0005, half_life_days=6),
            "email": Source(reach=0.06, effect=0.0005, half_life_days=6),
        },
        together={("display", "email"): 0.02},
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "willing",
        "Channels persuade only people who already want to: effects multiply each person's own intent, and saturate.",
        DEMAND,
        multiplies=True,
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "mistold",
        "Brand search and coupons work best of all, and the marketers have declared both as demand capture.",
        DEMAND
        | {
            "brand_search": Source(reach=0.03, drawn=1, effect=0.012, half_life_days=2),
            "coupon": Source(reach=0.02, drawn=1, effect=0.02, half_life_days=1),
        },
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
    World(
        "nothing",
        "Nothing works: everybody who converts would have converted without any of it.",
        {name: replace(source, effect=0.0) for name, source in DEMAND.items()},
        base=0.003,
        arrivals=BUYERS,
        capture=CAPTURE,
    ),
)

# What a model may be told, from nothing to which channels capture demand.
NOTHING, SHIPPED, CAPTURED = "nothing", "direct", "capture"
TOLD = (NOTHING, SHIPPED, CAPTURED)
# The same and experiments on every channel: percents of this model's own credit, or of last non-direct's.
TESTED, BORROWED = "tested", "borrowed"
ERROR_POINTS, MOST_PERCENT = 10, 1_000
# Worlds in which what marketers declare is wrong, or nothing works: not in any mean.
UNFAIR = ("mistold", "nothing")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a model says of a world, in shares of all conversions that add up to 1.

    credit  by channel
    nobody  what it gives to no channel
    """

    credit: Mapping[str, float]
    nobody: float


@dataclass(frozen=True, slots=True)
class Score:
    """How a claim compares with the truth.

    error        total variation of the channels' shares of all credit: 0 right, 1 disjoint; NaN where nothing works
    misplaced    the share of all conversions that stands in a wrong place, what is nobody's counted as a place
    rank         Spearman's rank correlation over the channels, -1 to 1; NaN where nothing works
    incremental  the share of conversions that it gives to channels
    """

    error: float
    misplaced: float
    rank: float
    incremental: float


GLOBAL = Model.MARKOV_GLOBAL.value
NO_SCORE = Score(*[float("nan")] * 4)


def terms_for(world: World, told: str, model: Model = Model.LAST_NON_DIRECT) -> Terms:
    """The terms of a report that is told so much."""
    return Terms(
        model=model,
        direct=DirectPolicy.COUNTS if told == NOTHING else DirectPolicy.LAST_RESORT,
        capture=world.capture if told == CAPTURED else frozenset(),
        lead_days=None,
    )


def questions(world: World, told: str, found: Seen, orders: Sequence[int] = ()) -> dict[str, Terms]:
    """Every model by its name, under these terms, with what it has learned from all paths that may earn.

    orders  of the chain, besides 1
    """
    terms = terms_for(world, told)
    effects, fit = effects_of(found, terms, 1), learned(found, terms)
    asked = {
        model.value: replace(terms, model=model, effects=effects, hazard=fit)
        for model in MODELS
        if model is not Model.MARKOV_GLOBAL
    }
    for order in orders:
        asked[f"markov, order {order}"] = replace(asked["markov"], effects=effects_of(found, terms, order))
    return asked


def effects_of(found: Seen, terms: Terms, order: int) -> dict[str, int]:
    """The removal effect of each channel in units of 2^-30."""
    own = found.paths.only(eligible_all(found.paths, terms))
    chain = markov.count(own.offsets, own.channels, found.converted.astype(np.int64), len(own.names), order)
    effects = np.rint(markov.removal_effects(chain) * SCALE).astype(int).tolist()
    return dict(zip(own.names, effects, strict=True))


def learned(found: Seen, terms: Terms) -> Hazard:
    """The hazard as a site's own is fitted. ValueError: there is too little to learn from."""
    always = np.full(len(found.converted), ALWAYS_MS)
    journeys = fitting.Journeys(found.paths, always, found.paths.converted_ms, found.converted)
    known = fitting.learn_hazard(journeys, terms)
    if isinstance(known, str):
        raise ValueError(known)
    return known


def global_markov(terms: Terms, found: Seen) -> Claim:
    """Conversions that a touch explains, shared by removal effects alone, whatever path they came by."""
    journeys = found.journeys
    explained = float((np.diff(journeys.only(eligible_all(journeys, terms)).offsets) > 0).mean())
    whole = sum(terms.effects.values())
    return Claim({name: explained * effect / whole for name, effect in terms.effects.items()}, 1 - explained)


def claim(terms: Terms, found: Seen) -> Claim:
    """How a model shares out the conversions that were seen."""
    journeys = found.journeys
    weights, rest = weigh_all(terms, journeys)
    totals = sums_of(weights, journeys) + rest
    whole = np.repeat(np.maximum(totals, 1), np.diff(journeys.offsets))
    credit = np.bincount(journeys.channels, weights=weights / whole, minlength=len(journeys.names)) / len(journeys)
    return Claim(dict(zip(journeys.names, credit.tolist(), strict=True)), 1 - float(credit.sum()))


def scored(claimed: Claim, true: Truth) -> Score:
    """Compare a claim with the truth. Direct is a channel that does nothing: credit for it is an error, too."""
    names = list(true.effects)
    credit = np.array([claimed.credit[name] for name in names])
    effects = np.array([true.effects[name] for name in names]) / true.with_all
    nobody = 1 - effects.sum()
    works = effects.sum() > 0
    return Score(
        error=variation(credit / credit.sum(), effects / effects.sum()) if works and credit.sum() else float("nan"),
        misplaced=variation(np.append(credit, claimed.nobody), np.append(effects, nobody)),
        rank=spearman(credit, effects) if works else float("nan"),
        incremental=float(credit.sum()),
    )


def variation(one: Numbers, other: Numbers) -> float:
    """Half the sum of the differences: what would have to be moved from one to the other."""
    return float(np.abs(one - other).sum() / 2)


def spearman(one: Numbers, other: Numbers) -> float:
    """Correlation of the ranks; equals share the mean of their ranks."""
    ranks = [np.array([(np.sum(x < each) + np.sum(x <= each)) / 2 for each in x]) for x in (one, other)]
    if any(np.ptp(each) == 0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


# --- experiments ----------------------------------------------------------------------------------------------------


def experiments(claimed: Claim, true: Truth, seed: int) -> dict[str, int]:
    """What a hold-out of each channel but direct confirms of a claim, in percent of its credit, as a policy has it.

    Each result is off by ERROR_POINTS percent of the credit (standard deviation), as experiments are; by the same for
    every claim of one seed.
    """
    rng, found = np.random.default_rng((seed, 3)), {}
    for name, effect in true.effects.items():
        credit, noise = claimed.credit[name], rng.normal(0, ERROR_POINTS)
        if name != DIRECT and credit > 0:
            found[name] = round(min(MOST_PERCENT, max(0.0, 100 * effect / true.with_all / credit + noise)))
    return found


# --- a run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """What one world gave, means over the seeds.

    effects      by channel, share of all that channels cause
    incremental  share of conversions that channels cause
    scores       by model and by what it was told
    spread       by model the largest difference of an error between two seeds
    """

    world: World
    n_people: int
    n_converted: int
    n_touches: float
    effects: Mapping[str, float]
    incremental: float
    scores: Mapping[tuple[str, str], Score]
    spread: Mapping[str, float]

    @property
    def models(self) -> list[str]:
        """The models, in their order."""
        return list(dict.fromkeys(name for name, _ in self.scores))


def run(world: World, people: int, truth_people: int, seeds: Sequence[int], orders: Sequence[int] = ()) -> Run:
    """Run a world once for each seed; `orders` of the chain, besides 1."""
    trues, founds, scores = [], [], []
    for seed in seeds:
        trues.append(truth(world, truth_people, seed))
        founds.append(seen(world, people, seed))
        scores.append(scores_of(world, founds[-1], trues[-1], seed, orders))
    keys = list(scores[0])
    spread = dict.fromkeys((name for name, _ in keys), 0.0)
    for key in keys:
        spread[key[0]] = np.fmax(spread[key[0]], np.ptp([one[key].error for one in scores]))
    worths = {name: float(np.mean([one.effects[name] for one in trues])) for name in world.names}
    caused = sum(worths.values())
    return Run(
        world=world,
        n_people=sum(len(one.converted) for one in founds),
        n_converted=sum(int(one.converted.sum()) for one in founds),
        n_touches=sum(len(one.journeys.channels) for one in founds) / sum(len(one.journeys) for one in founds),
        effects={name: worth / caused if caused else 0.0 for name, worth in worths.items()},
        incremental=float(np.mean([one.incremental for one in trues])),
        scores={key: mean_of([one[key] for one in scores]) for key in keys},
        spread=spread,
    )


def scores_of(
    world: World, found: Seen, true: Truth, seed: int, orders: Sequence[int] = ()
) -> dict[tuple[str, str], Score]:
    """Every model's score, by what it was told."""
    scores = {}
    for told in TOLD:
        asked = questions(world, told, found, orders)
        for name, terms in asked.items():
            scores[name, told] = scored(claim(terms, found), true)
        scores[GLOBAL, told] = scored(global_markov(asked["markov"], found), true)
    # Those of the last turn are told all that marketers can know without an experiment.
    usual = experiments(claim(asked[Model.LAST_NON_DIRECT], found), true, seed)
    for name, terms in asked.items():
        own = experiments(claim(terms, found), true, seed)
        scores[name, TESTED] = scored(claim(replace(terms, measured=own), found), true)
        scores[name, BORROWED] = scored(claim(replace(terms, measured=usual), found), true)
    return scores


def mean_of(scores: Sequence[Score]) -> Score:
    """The mean of each figure."""
    return Score(*(float(np.mean([getattr(one, name) for one in scores])) for name in Score.__slots__))


# --- what is printed ------------------------------------------------------------------------------------------------


def page_of(found: Run) -> str:
    """A world's own table."""
    world = found.world
    causes = ", ".join(f"{name} {share:.0%}" for name, share in found.effects.items() if share >= 0.005)
    lines = [
        f"\n## {world.name}",
        f"\n{world.says}",
        f"\nSeen: {found.n_people:,} people, {found.n_converted:,} conversions, {found.n_touches:.1f} touches each.",
        f"True: {found.incremental:.0%} of the conversions are caused{': ' + causes if causes else ''}.",
        f"Declared as capture: {', '.join(sorted(world.capture)) or 'nothing'}.\n",
        row(["model", *(f"{word} {told}" for word in ("error", "rank") for told in TOLD), *PAGE_ENDS]),
        row(["---"] * (1 + 2 * len(TOLD) + len(PAGE_ENDS))),
    ]
    for name in found.models:
        by_told = {told: found.scores.get((name, told), NO_SCORE) for told in (*TOLD, TESTED)}
        figures = [
            *(figure(by_told[told].error) for told in TOLD),
            *(figure(by_told[told].rank) for told in TOLD),
            *(figure(by_told[told].incremental) for told in (CAPTURED, TESTED)),
            *(figure(by_told[told].misplaced) for told in (SHIPPED, CAPTURED, TESTED)),
        ]
        lines.append(row([name, *figures]))
    return "\n".join(lines)


PAGE_ENDS = (
    "called incremental, capture",
    "… tested",
    "misplaced, direct",
    "… capture",
    "… tested",
)


def summary(runs: Sequence[Run], told: str, what: str) -> str:
    """One figure of every model in every world, and its mean over the worlds in which something works and the marketers
    are right."""
    fair = [one for one in runs if one.world.name not in UNFAIR]
    lines = [row(["model", *(one.world.name for one in runs), "mean"]), row(["---"] * (len(runs) + 2))]
    for name in runs[0].models:
        figures = {one.world.name: getattr(one.scores.get((name, told), NO_SCORE), what) for one in runs}
        mean = float(np.mean([figures[one.world.name] for one in fair])) if fair else float("nan")
        lines.append(row([name, *map(figure, figures.values()), f"**{figure(mean)}**"]))
    return "\n".join(lines)


def row(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def figure(value: float) -> str:
    """Two digits; a dash where there is no such figure."""
    return "–" if np.isnan(value) else f"{value:.2f}"


def parser() -> argparse.ArgumentParser:
    """The words of this script."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--people", type=int, default=40_000, help="people of a world whose paths are seen, per seed")
    found.add_argument("--truth-people", type=int, default=40_000, help="people who are run with every set of channels")
    found.add_argument("--seeds", type=int, default=2, help="how often each world is run")
    found.add_argument("--world", choices=[world.name for world in WORLDS], action="append", help="only this one")
    found.add_argument("--order", type=int, choices=[2, 3], action="append", default=[], help="of the chain, besides 1")
    found.add_argument("--brief", action="store_true", help="the summaries alone")
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Run the worlds and print what came out; `words` are those of the command line."""
    asked = parser().parse_args(words)
    began = time.perf_counter()
    runs = []
    print(f"# Every model against the truth\n\n{asked.people:,} people and {asked.seeds} seeds a world.")
    for world in WORLDS:
        if not asked.world or world.name in asked.world:
            runs.append(run(world, asked.people, asked.truth_people, range(1, asked.seeds + 1), asked.order))
            if not asked.brief:
                print(page_of(runs[-1]), flush=True)
    for heading, told, what in SUMMARIES:
        print(f"\n## {heading}\n\n{summary(runs, told, what)}")
    print(f"\nTrue share caused: {', '.join(f'{one.world.name} {one.incremental:.2f}' for one in runs)}.")
    spreads = {name: max(one.spread[name] for one in runs) for name in runs[0].models}
    learned = max(spread for name, spread in spreads.items() if name.startswith("hazard"))
    others = max(spread for name, spread in spreads.items() if not name.startswith("hazard"))
    print(
        f"\nDone in {time.perf_counter() - began:.0f} s ({machine.load_line()}); between two seeds no error differs by "
        f"more than {others:.2f}, those of the hazards by up to {learned:.2f}."
    )


SUMMARIES = (
    ("Error, told nothing (direct counts)", NOTHING, "error"),
    ("Error, told what direct is (a new site)", SHIPPED, "error"),
    ("Error, told which channels capture demand", CAPTURED, "error"),
    ("Rank correlation, a new site", SHIPPED, "rank"),
    ("Rank correlation, told which channels capture demand", CAPTURED, "rank"),
    ("Share called incremental, told which channels capture demand", CAPTURED, "incremental"),
    ("Conversions misplaced, a new site", SHIPPED, "misplaced"),
    ("Conversions misplaced, told which channels capture demand", CAPTURED, "misplaced"),
    ("Conversions misplaced, every channel tested against this model's credit", TESTED, "misplaced"),
    ("Conversions misplaced, every channel tested against last non-direct's credit", BORROWED, "misplaced"),
)

if __name__ == "__main__":
    main()
