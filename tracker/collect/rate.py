"""(pure) How much one sender may bring: a steady rate, and a burst above it (GCRA, ITU-T I.371).

Keeps one number for each sender that was seen lately, in memory alone; restarting forgets them.
"""

from collections.abc import Hashable

ROUNDING_S = 1e-9  # a burst is a whole number of hits, though its seconds may not be exact


class RateLimit:
    """Lets `rate` hits a second through for each key, and `burst_s` seconds' worth of them at once.

    rate     hits a second, > 0; 0 lets everything through
    n_keys   keys remembered at the most; beyond it those are forgotten that have used none of their burst
    """

    def __init__(self, rate: float, burst_s: float = 10.0, n_keys: int = 100_000) -> None:
        self._rate, self._burst_s, self._n_keys = rate, burst_s, n_keys
        self._full_at: dict[Hashable, float] = {}

    def wait_s(self, key: Hashable, n: int, now_s: float) -> float:
        """0 if n more hits of this key may pass at now_s, and they are counted; else how long to wait, > 0 seconds.

        now_s  seconds of a clock that never goes back
        """
        if self._rate <= 0:
            return 0.0
        used_until = max(self._full_at.get(key, now_s), now_s)
        ahead_s = used_until - now_s
        cost_s = n / self._rate
        # Whoever has used nothing may always bring one beacon, however many hits it has.
        if ahead_s > 0 and ahead_s + cost_s > self._burst_s + ROUNDING_S:
            return min(ahead_s, ahead_s + cost_s - self._burst_s)
        if len(self._full_at) >= self._n_keys and key not in self._full_at:
            self._forget(now_s)
        self._full_at[key] = used_until + cost_s
        return 0.0

    def _forget(self, now_s: float) -> None:
        """Drop the keys that have their whole burst again; if all are in use, the one that is so soonest."""
        self._full_at = {key: at for key, at in self._full_at.items() if at > now_s}
        if len(self._full_at) >= self._n_keys:
            keep = sorted(self._full_at.items(), key=lambda one: one[1])[self._n_keys // 10 + 1 :]
            self._full_at = dict(keep)
