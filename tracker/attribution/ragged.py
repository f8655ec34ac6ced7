"""(pure) Paths as arrays end to end: cut into pieces that fit a cache, and how often each path has each channel.

Path i is codes[offsets[i] : offsets[i + 1]]; a code is the number of a channel. What markov, shapley and hazard share.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Touches at a time: what is computed of a piece stays in the processor's cache, whatever the number of paths.
PIECE = 1 << 18


def pieces(offsets: Ints, size: int = PIECE) -> Iterator[tuple[int, int]]:
    """Cut n paths into runs (first path, end path) of about `size` touches, each at least one path."""
    n = len(offsets) - 1
    cuts = np.searchsorted(offsets, np.arange(int(offsets[0]), int(offsets[-1]), size))
    edges = np.unique(np.concatenate(([0], cuts, [n]))).tolist()
    return pairwise(edges)


def owners(offsets: Ints) -> Ints:
    """Per touch: the number of its path."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def occurrences(codes: Sequence[int]) -> list[int]:
    """Per touch of one path: how many touches of the path are of its channel."""
    times = Counter(codes)
    return [times[code] for code in codes]


def occurrences_all(offsets: Ints, codes: Ints) -> Ints:
    """`occurrences` for many paths, one array over all touches."""
    found = np.empty(len(codes), dtype=np.int64)
    for first, end in pieces(offsets):
        begin, stop = int(offsets[first]), int(offsets[end])
        order, bounds = runs(offsets[first : end + 1], codes)
        lengths = np.diff(bounds)
        found[begin:stop][order] = np.repeat(lengths, lengths)
    return found


def runs(offsets: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """The touches of some paths by path and channel.

    returns  the touches' places within these paths, those of one path and channel next to each other in the order of
             the path; and where each such run begins in that order, with the end of the last
    """
    chosen = codes[int(offsets[0]) : int(offsets[-1])]
    # One sort of packed integers (path, channel, place) is several times faster than an argsort.
    bits = max(1, len(chosen)).bit_length()
    n_codes = int(chosen.max(initial=0)) + 1
    if (len(offsets) * n_codes).bit_length() + bits > 63:
        raise ValueError(f"channel numbers up to {n_codes - 1} are too large: number them from 0 on without gaps")
    packed = (owners(offsets) * n_codes + chosen) << bits
    packed += np.arange(len(chosen), dtype=np.int64)
    packed.sort()
    heads = packed >> bits
    begins = np.flatnonzero(heads[1:] != heads[:-1]) + 1
    bounds = np.concatenate(([0], begins, [len(chosen)])) if len(chosen) else np.zeros(1, dtype=np.int64)
    return packed & ((1 << bits) - 1), bounds.astype(np.int64)
