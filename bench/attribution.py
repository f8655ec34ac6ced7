"""How fast the data-driven models are fitted, beside other libraries; and how fast a million deals are credited.

The others are installed into an environment of their own, made for the run; they are under other licences than
Minamoto's and are no part of it. Every fit runs in a process of its own, one thread each, from its input in memory.
Run: python bench/attribution.py [--paths N] [--channels 20,200] [--models 1,shapley] [--only fit,credit]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from parts import machine

from tracker.attribution.credit import Weighted, share
from tracker.attribution.models import MODELS, Family, weigh_all
from tracker.attribution.terms import Terms
from tracker.attribution.touches import DAY_MS, Paths

FITTING = machine.ROOT / "bench" / "parts" / "fitting.py"
RIVALS = ("ChannelAttribution==2.2.5", "marketing-attribution-models==2.1.1", "matplotlib")
LIMIT_S = 600
# What each library can do from which input; one knows no order but 1, the other no Shapley value.
KNOWS = {
    "ours": {(model, given) for model in ("1", "2", "3", "shapley") for given in ("prepared", "texts")},
    "ChannelAttribution": {(model, "texts") for model in ("1", "2", "3")},
    "marketing-attribution-models": {(model, given) for model in ("1", "shapley") for given in ("prepared", "texts")},
}
# One core for everybody: figures are processor time, and a second thread on a busy machine only waits.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "RAYON", "NUMBA")} | {
    "POLARS_MAX_THREADS": "1"
}
Arrays = tuple[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Took:
    """What a fit took. `megabytes` is the most above what its process held before; `all_megabytes` the most at all."""

    cpu_s: float
    wall_s: float
    megabytes: float
    all_megabytes: float
    result: dict[str, float]


# --- journeys -------------------------------------------------------------------------------------------------------


def journeys(n: int, n_channels: int, seed: int = 1) -> Arrays:
    """offsets, codes, converted: n paths of about four touches; some channels are frequent, and habits repeat them."""
    random = np.random.default_rng(seed)
    lengths = np.minimum(random.geometric(0.25, n), 60)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    n_touches = int(offsets[-1])
    shares = 1 / np.arange(1, n_channels + 1)
    codes = random.choice(n_channels, n_touches, p=shares / shares.sum())
    again = np.flatnonzero(random.random(n_touches) < 0.25)
    codes[again] = codes[np.maximum(again - 1, 0)]
    helps = random.uniform(0, 0.04, n_channels)
    chance = 0.01 + np.add.reduceat(helps[codes], offsets[:-1])
    return offsets, codes, (random.random(n) < chance).astype(np.int64)


def written(made: Arrays, n_channels: int, folder: Path) -> None:
    """The journeys as numbers for us and as texts for everybody."""
    offsets, codes, converted = made
    names = [f"channel_{i:03d}" for i in range(n_channels)]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "paths.npz", offsets=offsets, codes=codes, converted=converted)
    (folder / "names.txt").write_text("\n".join(names) + "\n")
    steps = [names[code] for code in codes.tolist()]
    bounds = offsets.tolist()
    with (folder / "paths.txt").open("w") as file:
        for i, yes in enumerate(converted.tolist()):
            file.write(f"{yes}\t{' > '.join(steps[bounds[i] : bounds[i + 1]])}\n")


# --- fits -----------------------------------------------------------------------------------------------------------


def environment(folder: Path) -> Path:
    """The Python of an environment that has the other libraries; made if it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(RIVALS)} (some minutes: one is compiled)", file=sys.stderr)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *RIVALS], check=True)
    return python


def took(python: Path, library: str, model: str, given: str, folder: Path) -> Took | None:
    """Run one fit in a process of its own; None: it took longer than the limit."""
    variables = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(machine.ROOT) if library == "ours" else ""}
    command = [python, FITTING, library, model, given, folder]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise RuntimeError(f"{library} {model}: {done.stderr.strip().splitlines()[-1:]}")
    return Took(**json.loads(done.stdout.strip().splitlines()[-1]))


def fits(n_paths: int, n_channels: int, models: list[str], rivals: Path, folder: Path) -> None:
    """Markov and Shapley, ours and others', over the same journeys."""
    made = journeys(n_paths, n_channels)
    written(made, n_channels, folder)
    n_converted = int(made[2].sum())
    print(f"\n## {n_paths:,} paths, {len(made[1]):,} touches, {n_channels} channels, {n_converted:,} conversions\n")
    del made
    pythons = {library: Path(sys.executable) if library == "ours" else environment(rivals) for library in KNOWS}
    print("| model | from | library | processor s | wall s | megabytes | effects differ by |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    judgements = []
    for model in [one for one in models if n_channels <= 50 or one in {"1", "shapley"}]:
        exact = took(pythons["ours"], "ours", model, "prepared", folder)
        quickest: list[Took] = []
        for given in ("prepared", "texts"):
            found = {
                library: exact
                if (library, given) == ("ours", "prepared")
                else took(python, library, model, given, folder)
                for library, python in pythons.items()
                if (model, given) in KNOWS[library]
            }
            for library, one in found.items():
                print(line(model, given, library, one, exact), flush=True)
            others = [one for library, one in found.items() if library != "ours" and one]
            quickest += others
            judgements += judged(f"{named(model)} from {given}", found["ours"], others)
        judgements += judged(f"{named(model)}, ours from numbers as stored, others from either", exact, quickest)
    print("\n" + "\n".join(judgements))
    if n_channels <= 50 and "1" in models:
        noise(pythons["ChannelAttribution"], pythons["ours"], n_converted / n_paths, folder)


def named(model: str) -> str:
    """A model by its name."""
    return "Shapley" if model == "shapley" else f"Markov {model}"


def line(model: str, given: str, library: str, found: Took | None, exact: Took | None) -> str:
    """A row of the table of fits."""
    if found is None:
        return f"| {named(model)} | {given} | {library} | > {LIMIT_S} | | | |"
    off = "" if found is exact or exact is None or not found.result else f"{furthest(exact, found):.1e}"
    figures = f"{found.cpu_s:.2f} | {found.wall_s:.2f} | {found.megabytes:.0f} | {off}"
    return f"| {named(model)} | {given} | {library} | {figures} |"


def furthest(exact: Took, found: Took) -> float:
    """The largest difference between two results of a channel."""
    return max(abs(effect - found.result.get(name, 0.0)) for name, effect in exact.result.items())


def judged(what: str, ours: Took | None, others: list[Took]) -> list[str]:
    """How many times faster and smaller ours is than the best of the others."""
    if ours is None or not others:
        return []
    times = min(other.cpu_s for other in others) / ours.cpu_s
    share = ours.megabytes / max(1.0, min(other.megabytes for other in others))
    verdict = "" if times >= 10 and share < 1 else ": MISSED"
    return [f"{what}: {times:.1f} times faster, {share:.2f} of the memory (10, below 1{verdict})"]


def noise(them: Path, us: Path, p: float, folder: Path) -> None:
    """How far a simulation is from the closed form, and how far it should be by chance.

    It simulates in ten folds, so an effect e of n paths has a standard deviation of sqrt(e (1 - e) / (n p / 10)).
    """
    exact = took(us, "ours", "1", "prepared", folder)
    for n in ("1e5", "1e6", "1e7"):
        found = took(them, "ChannelAttribution", f"1/{n}", "texts", folder)
        if exact and found:
            effects = np.array(list(exact.result.values()))
            gaps = effects - np.array([found.result[name] for name in exact.result])
            z = gaps / np.sqrt(effects * (1 - effects) / (float(n) * p / 10))
            print(
                f"ChannelAttribution, {n} simulated paths, {found.cpu_s:.1f} s: effects differ by up to "
                f"{np.abs(gaps).max():.1e}, in the mean square by {np.sqrt((z**2).mean()):.2f} of their chance"
            )


# --- credit ---------------------------------------------------------------------------------------------------------


def deals(n: int, seed: int = 2) -> tuple[Paths, Any, Any]:
    """Paths of n won deals with their milestones, the hashes that settle ties, and amounts in minor units."""
    random = np.random.default_rng(seed)
    offsets, codes, _ = journeys(n, 20, seed)
    lengths = np.diff(offsets)
    gaps = random.integers(0, 20 * DAY_MS, len(codes))
    running = np.cumsum(gaps)
    touched = running - np.repeat(running[offsets[:-1]], lengths) + 1_700_000_000_000
    first, last = touched[offsets[:-1]], touched[offsets[1:] - 1]
    lead = first + ((last - first) * random.random(n)).astype(np.int64)
    deal = lead + ((last - lead) * random.random(n)).astype(np.int64)
    won = last + random.integers(0, 30 * DAY_MS, n)
    paths = Paths(
        offsets=offsets,
        touched_ms=touched,
        channels=codes,
        names=["direct", *(f"channel_{i:03d}" for i in range(1, 20))],
        scopes=np.zeros(len(codes), dtype=np.int64),
        is_excluded=np.zeros(len(codes), dtype=np.bool_),
        converted_ms=won,
        earliest_ms=np.full(n, -(1 << 62), dtype=np.int64),
        lead_ms=lead,
        deal_ms=deal,
        close_ms=won,
    )
    ties = random.integers(-(1 << 62), 1 << 62, len(codes))
    return paths, ties, np.round(np.exp(random.normal(11, 2, n))).astype(np.int64)


def credit(n: int) -> None:
    """Every rule model over n deals, each amount shared to the minor unit."""
    paths, ties, amounts = deals(n)
    which, total, seconds = np.arange(n, dtype=np.int64), int(amounts.sum()), []
    print(f"\n## Credit of {n:,} deals, {len(ties):,} touches, to the minor unit\n")
    print("| model | weights, processor s | shares, processor s | off the amount |\n| --- | --- | --- | --- |")
    for model in MODELS.values():
        if model.family is not Family.RULE:
            continue
        start = time.process_time()
        weights, _ = weigh_all(Terms(model=model.name), paths)
        between = time.process_time()
        shares = share(amounts.tolist(), which, Weighted(paths.offsets, weights, ties))
        end = time.process_time()
        sums = np.add.reduceat(shares.shares, paths.offsets[:-1])
        wrong = int((sums != amounts).sum())
        assert int(sums.sum()) == total or wrong
        seconds.append(end - start)
        print(f"| {model.name} | {between - start:.2f} | {end - between:.2f} | {wrong} deals |")
    print(f"\nall {len(seconds)} rule models: {sum(seconds):.1f} s, each {statistics.median(seconds):.2f} s")


# --- run ------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=1_000_000)
    parser.add_argument("--channels", default="20,200")
    parser.add_argument("--models", default="1,2,3,shapley", help="orders of Markov chains, shapley")
    parser.add_argument("--rivals", type=Path, help="keep the other libraries in this folder")
    parser.add_argument("--only", default="fit,credit")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="minamoto-bench-"))
    try:
        print(machine.load_line())
        if "fit" in asked.only:
            for n_channels in map(int, asked.channels.split(",")):
                rivals = asked.rivals or folder / "rivals"
                fits(asked.paths, n_channels, asked.models.split(","), rivals, folder / str(n_channels))
        if "credit" in asked.only:
            credit(asked.paths)
        print(machine.load_line())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
