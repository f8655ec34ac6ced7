"""Who may write to SQLite: one at a time, and nobody twice while another waits; the log is kept short meanwhile."""

import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.patience import wait_until
from tracker.db.store import Turn, begin, checkpoint, connect, reading, turn_of

PATIENCE_S = 30


def is_next_taken(path: Path) -> bool:
    """Whether somebody waits as the next one, seen as another process would see it."""
    file = os.open(f"{path}-next", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


@pytest.mark.parametrize("apart", [False, True], ids=["two threads", "two processes"])
def test_who_has_had_the_turn_lets_the_next_one_have_it(tmp_path: Path, apart: bool) -> None:
    path = tmp_path / "store"
    mine = Turn(path)
    other = Turn(path) if apart else mine  # a lock belongs to who has opened the file, as in another process
    had: list[str] = []

    def want() -> None:
        with other:
            had.append("the other")

    with ThreadPoolExecutor(1) as threads:
        with mine:
            had.append("mine")
            done = threads.submit(want)
            wait_until(lambda: is_next_taken(path) if apart else mine._next.locked())
        with mine:
            had.append("mine again")
        done.result(PATIENCE_S)
    assert had == ["mine", "the other", "mine again"]


def test_an_error_gives_the_turn_back(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "store")
    with pytest.raises(ZeroDivisionError), turn:
        raise ZeroDivisionError
    with turn:
        pass


def test_a_turn_that_cannot_be_had_is_an_error_and_no_stand_still(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "nowhere" / "store")
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"), turn:
            pytest.fail("it was had")


def test_writers_of_two_engines_never_meet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    engines = [connect(url), connect(url)]
    with begin(engines[0]) as tx:
        tx.execute(text("CREATE TABLE counter (n INTEGER)"))
        tx.execute(text("INSERT INTO counter VALUES (0)"))

    def count(engine: Engine) -> None:
        for _ in range(50):
            with begin(engine) as tx:
                n = tx.execute(text("SELECT n FROM counter")).scalar_one()
                tx.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(count, engine) for engine in engines * 2]:
            done.result(PATIENCE_S)
    with reading(engines[1]) as tx:
        assert tx.execute(text("SELECT n FROM counter")).scalar_one() == 200


def test_the_log_is_copied_and_begun_anew_but_not_while_a_reader_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    engine = connect(f"sqlite:///{path}")
    with begin(engine) as tx:
        tx.execute(text("CREATE TABLE pages (n INTEGER PRIMARY KEY, content BLOB)"))

    def fill() -> None:
        for _ in range(20):
            with begin(engine) as tx:
                tx.execute(text("INSERT INTO pages (content) VALUES (randomblob(1000000))"))

    fill()
    log = Path(f"{path}-wal")
    with reading(engine) as tx:
        seen = tx.execute(text("SELECT count(*) FROM pages")).scalar_one()
        fill()
        checkpoint(engine)
        assert tx.execute(text("SELECT count(*) FROM pages")).scalar_one() == seen
    grown = log.stat().st_size
    assert grown > 30_000_000
    checkpoint(engine)
    fill()
    assert log.stat().st_size == grown, "what is copied is written over"
    with turn_of(engine):
        pass


def test_postgresql_takes_no_turns_and_has_no_log_of_ours(store: Engine) -> None:
    checkpoint(store)
    if store.dialect.name == "postgresql":
        with turn_of(store), turn_of(store):
            pass
