"""`minamoto` with a clock that jumps: every second it is wrong by another amount, by up to a day either way.

Run in place of the command line: python bench/parts/jumping.py serve … The server's own processes load this file, too.
"""

import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tracker import clock

right = clock.now


def jumping() -> datetime:
    """A now that is right in one second of three, and anywhere within a day of it in the others."""
    dice = random.Random(int(time.time()))
    return right() + timedelta(days=dice.choice([0.0, 0.0, dice.uniform(-1, 1)]), milliseconds=dice.choice([0, -3, 7]))


clock.now = jumping

if __name__ == "__main__":
    from tracker.cli import main

    main()
