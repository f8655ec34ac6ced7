"""The invented worlds of bench/truth.py are true, and every model stands in them where it should."""

from dataclasses import replace

import numpy as np
import pytest
from parts.worlds import DIRECT, Source, World, seen, truth
from truth import (
    CAPTURED,
    NOTHING,
    SHIPPED,
    TESTED,
    WORLDS,
    Claim,
    Run,
    claim,
    main,
    questions,
    run,
    scored,
    spearman,
    terms_for,
    variation,
)

from tracker.attribution.models import MODELS, Family
from tracker.vocabulary import Model

BY_NAME = {world.name: world for world in WORLDS}
RULES = [model.value for model, one in MODELS.items() if one.family is Family.RULE]
# Calm: intent is what it is for the whole month, and a touch is forgotten by the next day.
CALM = World("calm", "", {"email": Source(reach=0.1, effect=0.05, half_life_days=0.01)}, base=0.002, moment=1)


def test_where_nothing_works_every_effect_is_zero_and_all_would_have_come_anyway():
    world = BY_NAME["nothing"]
    found = truth(world, 300, seed=1, players=tuple(world.sources))
    assert set(found.effects.values()) == {0.0}
    assert found.with_all == found.with_none > 0
    assert found.incremental == 0


def test_a_lone_channel_has_all_the_effect_that_the_formula_gives():
    found = truth(CALM, 20_000, seed=1)
    chance = 1 - np.exp(-0.1)
    # A gamma's Laplace transform for the intents, a day's mean for the touches.
    nobody = (1 + 30 * 0.002 / 0.7) ** -0.7
    untouched = (1 - chance + chance * np.exp(-0.05)) ** 30
    assert found.with_none == pytest.approx(1 - nobody, abs=0.002)
    assert found.with_all == pytest.approx(1 - nobody * untouched, abs=0.002)
    assert found.effects == {"email": pytest.approx(found.with_all - found.with_none), DIRECT: 0.0}


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_effects_add_up_to_what_is_caused(world):
    found = truth(world, 200, seed=2)
    assert sum(found.effects.values()) == pytest.approx(found.with_all - found.with_none)


def test_who_cannot_change_a_conversion_may_be_left_out_of_the_game():
    world = BY_NAME["follower"]
    assert world.players == ("display", "paid_social", "paid_search")
    all_play, some_play = truth(world, 200, 3, tuple(world.sources)), truth(world, 200, 3)
    assert all_play.effects == pytest.approx(some_play.effects)
    assert all_play.effects["retargeting"] == pytest.approx(0)


def test_who_only_makes_others_come_plays_too():
    feeds = World("", "", {"ad": Source(reach=0.1), "search": Source(fed={"ad": 0.2}, effect=0.05)})
    assert feeds.players == ("ad", "search")
    found = truth(feeds, 500, 1)
    # One without the other does nothing: they share the effect equally.
    assert found.effects["ad"] == pytest.approx(found.effects["search"])
    assert found.effects["ad"] > 0.05


def test_two_that_work_only_together_share_equally():
    both = {"email": Source(reach=0.1), "display": Source(reach=0.02)}
    found = truth(World("", "", both, together={("email", "display"): 0.1}), 500, 1)
    assert found.effects["email"] == pytest.approx(found.effects["display"])
    assert found.effects["email"] > 0.01


def test_as_many_convert_as_the_truth_expects_and_nobody_without_a_visit():
    world = BY_NAME["closer"]
    expected, found = truth(world, 2_000, 5, players=()), seen(world, 8_000, 6)
    sd = np.sqrt(expected.with_all / 2_000 + expected.with_all / 8_000)
    assert found.converted.sum() / 8_000 == pytest.approx(expected.with_all, abs=4 * sd)
    lengths = np.diff(found.journeys.offsets)
    assert lengths.min() >= 1
    last = found.journeys.touched_ms[found.journeys.offsets[1:] - 1]
    assert ((found.journeys.converted_ms - last) < 86_400_000).all()
    assert (found.paths.touched_ms <= np.repeat(found.paths.converted_ms, np.diff(found.paths.offsets))).all()


def test_rules_do_not_mind_how_long_a_deal_takes_to_close():
    soon, late = (seen(BY_NAME[name], 1_000, 1) for name in ("demand", "slow"))
    assert (late.journeys.converted_ms >= soon.journeys.converted_ms).all()
    assert late.journeys.converted_ms.mean() - soon.journeys.converted_ms.mean() > 5 * 86_400_000
    for model in ("first", "last", "linear", "time_decay", "position", "shapley"):
        terms = terms_for(BY_NAME["demand"], CAPTURED, Model(model))
        assert claim(terms, soon) == claim(terms, late), model


@pytest.mark.parametrize("told", [NOTHING, CAPTURED])
def test_no_model_minds_what_channels_are_called_or_in_which_order_they_are_numbered(told):
    world = BY_NAME["follower"]
    new = {name: f"{i}_{name[::-1]}" for i, name in enumerate(reversed(list(world.sources)))}
    there = world.renamed(new)
    mine, theirs = seen(world, 2_000, 1), seen(there, 2_000, 1)
    n = len(theirs.paths.names)
    turned = replace(theirs.paths, names=theirs.paths.names[::-1], channels=n - 1 - theirs.paths.channels)
    theirs = replace(theirs, paths=turned)
    ours, others = questions(world, told, mine), questions(there, told, theirs)
    for name, terms in ours.items():
        credit, same = claim(terms, mine), claim(others[name], theirs)
        renamed = {new.get(channel, channel): share for channel, share in credit.credit.items()}
        assert same.credit == pytest.approx(renamed, abs=1e-6), name
        assert same.nobody == pytest.approx(credit.nobody, abs=1e-6), name


def test_a_claim_of_the_truth_has_no_error():
    true = truth(BY_NAME["demand"], 200, 1)
    right = Claim({name: effect / true.with_all for name, effect in true.effects.items()}, 1 - true.incremental)
    score = scored(right, true)
    assert (score.error, score.misplaced, score.rank) == pytest.approx((0, 0, 1))
    assert score.incremental == pytest.approx(true.incremental)


def test_error_and_rank_of_worked_examples():
    assert variation(np.array([0.5, 0.5, 0]), np.array([0, 0.5, 0.5])) == 0.5
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == pytest.approx(1)
    assert spearman(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)
    # Ranks 1.5, 1.5, 3 against 1, 2, 3.
    assert spearman(np.array([0.0, 0, 1]), np.array([1.0, 2, 3])) == pytest.approx(0.8660254)
    assert np.isnan(spearman(np.array([1.0, 1]), np.array([1.0, 2])))


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {name: run(BY_NAME[name], 3_000, 600, [1]) for name in ("closer", "demand", "mistold", "nothing")}


def errors(found: Run, told: str) -> dict[str, float]:
    return {name: found.scores[name, told].error for name in found.models}


def test_told_nothing_last_touch_is_mostly_wrong_and_direct_taken_out_is_worth_a_sixth(runs):
    found = runs["demand"]
    before, after = errors(found, NOTHING), errors(found, SHIPPED)
    assert before["last"] > 0.65
    assert after["last"] < before["last"] - 0.12
    assert after["last"] == after["last_non_direct"] == before["last_non_direct"]
    # First touches are seldom direct.
    assert after["first"] == pytest.approx(before["first"], abs=0.02)


def test_declaring_capture_is_worth_more_than_changing_the_model(runs):
    shipped, told = errors(runs["demand"], SHIPPED), errors(runs["demand"], CAPTURED)
    rules = [shipped[name] for name in RULES]
    assert max(told[name] for name in (*RULES, "markov")) < min(rules) - 0.1
    assert max(rules) - min(rules) < 0.25


def test_declaring_a_channel_that_works_does_harm(runs):
    shipped, told = errors(runs["mistold"], SHIPPED), errors(runs["mistold"], CAPTURED)
    assert min(told[name] - shipped[name] for name in RULES) > 0.15


def test_a_strong_closer_is_found_by_all_once_capture_is_declared_and_valued_by_the_hazard_alone(runs):
    told = errors(runs["closer"], CAPTURED)
    assert told["hazard"] < 0.25
    assert 0.4 < told["last"] < 0.6 < told["first"]
    for name in (*RULES, "markov"):
        assert runs["closer"].scores[name, CAPTURED].rank > 0.5, name


def test_rules_call_everything_incremental_where_nothing_is_and_only_experiments_tell(runs):
    found = runs["nothing"]
    for name in (*RULES, "markov"):
        assert found.scores[name, CAPTURED].incremental == pytest.approx(1), name
        assert found.scores[name, TESTED].incremental < 0.25, name
    assert 0.1 < found.scores["hazard", CAPTURED].incremental < 0.8
    assert found.scores["hazard", TESTED].incremental < 0.1
    assert np.isnan(found.scores["first", CAPTURED].error)


def test_the_tables_say_what_a_world_is_and_name_every_model(capsys):
    main(["--people", "2000", "--truth-people", "200", "--seeds", "1", "--world", "nothing", "--world", "closer"])
    printed = capsys.readouterr().out
    assert BY_NAME["closer"].says in printed
    assert "True: 0% of the conversions are caused." in printed
    assert all(f"| {model} |" in printed for model in MODELS)
    assert "True share caused: closer 0." in printed
