"""One fit in a process of its own: ours, or another library's in its own environment; prints what it took as JSON.

Run by bench/attribution.py: fitting.py LIBRARY MODEL INPUT FOLDER, with whatever Python has the library. MODEL is 1, 2
or 3 (the order of a Markov chain) or shapley. INPUT is texts, as "search > email" in the library's usual table, or
prepared: the library's own form of the same, numbers here, lists there. Reading it into memory is not counted.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

Result = dict[str, float]
Prepared = Callable[[], Result]


def measured(run: Prepared) -> dict[str, Any]:
    """The result with processor seconds, wall seconds, and megabytes at the most above those before."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest memory so far
    before, cpu, wall = status("VmRSS"), time.process_time(), time.perf_counter()
    result = run()
    found = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    return {**found, "megabytes": status("VmHWM") - before, "all_megabytes": status("VmHWM"), "result": result}


def status(name: str) -> float:
    """A line of this process's status, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def told(folder: Path) -> tuple[list[str], list[int]]:
    """The paths as texts, and how many conversions each had."""
    lines = (folder / "paths.txt").read_text().splitlines()
    pairs = [line.split("\t") for line in lines]
    return [path for _, path in pairs], [int(converted) for converted, _ in pairs]


# --- ours ----------------------------------------------------------------------------------------------------------


def named(values: Any, names: Sequence[str]) -> Result:
    """Numbers by channel."""
    return dict(zip(names, map(float, values), strict=True))


def ours_prepared(model: str, folder: Path) -> Prepared:
    """Ours, from the numbers that the store gives."""
    import numpy as np

    from tracker.attribution import markov, shapley

    with np.load(folder / "paths.npz") as file:
        offsets, codes, converted = file["offsets"], file["codes"], file["converted"]
    names = (folder / "names.txt").read_text().splitlines()

    def run() -> Result:
        if model == "shapley":
            return named(shapley.totals(offsets, codes, converted, len(names)), names)
        counted = markov.count(offsets, codes, converted, len(names), int(model))
        return named(markov.removal_effects(counted), names)

    return run


class Numbers(dict[str, int]):
    """Channels by name, numbered as they come."""

    def __missing__(self, name: str) -> int:
        self[name] = len(self)
        return self[name]


def ours(model: str, folder: Path) -> Prepared:
    """Ours, from the same texts that the others get."""
    import numpy as np

    from tracker.attribution import markov, shapley

    paths, conversions = told(folder)

    def run() -> Result:
        ends = np.cumsum(np.fromiter((path.count(">") + 1 for path in paths), dtype=np.int64, count=len(paths)))
        offsets, numbers = np.concatenate(([0], ends)), Numbers()
        some = (" > ".join(paths[i : i + 10_000]).split(" > ") for i in range(0, len(paths), 10_000))
        steps = map(numbers.__getitem__, chain.from_iterable(some))
        codes = np.fromiter(steps, dtype=np.int64, count=int(ends[-1]))
        converted = np.array(conversions, dtype=np.int64)
        if model == "shapley":
            return named(shapley.totals(offsets, codes, converted, len(numbers)), list(numbers))
        counted = markov.count(offsets, codes, converted, len(numbers), int(model))
        return named(markov.removal_effects(counted), list(numbers))

    return run


# --- others --------------------------------------------------------------------------------------------------------


def channel_attribution(model: str, folder: Path) -> Prepared:
    """ChannelAttribution: Markov by simulation with its defaults; MODEL may tell how many paths at first: 1/1e6."""
    import ChannelAttribution
    import pandas as pd

    order, _, n_simulated = model.partition("/")
    first = {"nsim_start": float(n_simulated)} if n_simulated else {}
    paths, converted = told(folder)
    data = pd.DataFrame({"path": paths, "conversions": converted, "nulls": [1 - one for one in converted]})

    def run() -> Result:
        found = ChannelAttribution.markov_model(
            data, "path", "conversions", var_null="nulls", order=int(order), out_more=True, verbose=False, **first
        )
        effects = found["removal_effects"]
        return named(effects["removal_effect"], list(effects["channel_name"]))

    return run


def marketing(model: str, folder: Path, has_prepared: bool) -> Prepared:
    """marketing-attribution-models: one thread; the fit alone, without the shares of single journeys that its own run
    adds. Its Shapley value is that of each journey's last four channels by name, so its figures are no comparison."""
    import polars as pl
    from mam.core import MAM
    from mam.models.markov import MarkovModel
    from mam.models.shapley import ShapleyModel

    paths, converted = told(folder)
    data = pl.DataFrame({"path": paths, "converted": [one > 0 for one in converted], "n": [1] * len(paths)})

    def prepared() -> Any:
        return MAM(data, "grouped_journey", "path", "converted", occurrences_colname="n").unified_df

    known = prepared() if has_prepared else None

    def run() -> Result:
        frame = prepared() if known is None else known
        if model == "shapley":
            ShapleyModel()._compute_shapley(frame)
            return {}
        fitted = MarkovModel()
        fitted._compute_markov(frame)
        effects = fitted.removal_effect_df["removal_effect"]
        return named(effects, list(effects.index))

    return run


RUNS: dict[tuple[str, str], Callable[[str, Path], Prepared]] = {
    ("ours", "prepared"): ours_prepared,
    ("ours", "texts"): ours,
    ("ChannelAttribution", "texts"): channel_attribution,
    ("marketing-attribution-models", "texts"): lambda model, folder: marketing(model, folder, has_prepared=False),
    ("marketing-attribution-models", "prepared"): lambda model, folder: marketing(model, folder, has_prepared=True),
}


def main() -> None:
    """Measure one."""
    library, model, given, folder = sys.argv[1:]
    # The last line: a library may advertise before it.
    print("\n" + json.dumps(measured(RUNS[library, given](model, Path(folder)))))


if __name__ == "__main__":
    main()
