"""Park a hit that cannot be folded, so that it keeps nobody waiting: found by halving, counted, tried by a rebuild.

A hit stays in the journal whatever happens. Its error is kept by its class's name only: the text may quote a visitor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError, StatementError

from tracker.db.schema import hits_parked
from tracker.db.store import Tx


@dataclass(frozen=True, slots=True)
class Parked:
    """Hits that could not be folded: how many, and by the class of the error."""

    n: int
    by_error: tuple[tuple[str, int], ...]


def parked(tx: Tx) -> Parked:
    """What is parked of all sites, the most frequent error first."""
    n = func.count()
    rows = tx.execute(
        select(hits_parked.c.error, n).group_by(hits_parked.c.error).order_by(n.desc(), hits_parked.c.error)
    )
    by_error = tuple((error, count) for error, count in rows)
    return Parked(sum(count for _, count in by_error), by_error)


def fold_or_park(tx: Tx, seqs: Sequence[int], work: Callable[[Sequence[int]], None]) -> None:
    """Do the work on these hits; on those that make it fail, found by halving, it is not done, and they are parked.

    raises  what is no hit's fault: a store that is busy, away, full or not what it should be
    """
    if not seqs:
        return
    try:
        with tx.begin_nested():
            work(seqs)
    except Exception as error:  # whatever it is: a hit that nobody can fold holds all others up
        if not is_of_a_hit(error):
            raise
        if len(seqs) == 1:
            tx.execute(insert(hits_parked), [{"seq": seqs[0], "error": type(error).__name__}])
            return
        half = len(seqs) // 2
        fold_or_park(tx, seqs[:half], work)
        fold_or_park(tx, seqs[half:], work)


def is_of_a_hit(error: Exception) -> bool:
    """Whether an error may come of what a hit says, and not of the store or the machine."""
    if isinstance(error, (DataError, IntegrityError)) or type(error) is StatementError:
        return True
    return not isinstance(error, (SQLAlchemyError, MemoryError, OSError))
