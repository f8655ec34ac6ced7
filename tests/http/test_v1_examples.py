"""The commands on the API's page, run as a reader would run them, against a server on a socket."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from werkzeug.serving import make_server

from tests.doing import keep_actions, keep_segments
from tests.world import START, Clock, World
from tracker.costfiles import import_file
from tracker.db.store import begin

EXPORT = Path(__file__).parents[1] / "spec/costs/google_ads_en.csv"
PAGE = Path(__file__).parents[2] / "docs/http-api.md"


@pytest.fixture
def served(store: Engine) -> Iterator[tuple[World, str]]:
    world = World(store, clock=Clock(START))
    world.walk()  # the deal of the examples has a path
    world.clock.at = START + timedelta(days=60)
    with begin(store) as tx:
        list(import_file(tx, world.acme, EXPORT, {}, world.clock()))  # to be taken back
        keep_actions(tx, world)  # a task waits
        keep_segments(tx, world)
    server = make_server("127.0.0.1", 0, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield world, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_every_command_on_the_page_works_in_its_order(served: tuple[World, str]) -> None:
    world, origin = served
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    commands = [block for block in blocks if "curl" in block]
    assert len(commands) >= 13
    script = "\n".join(command.replace("curl ", "curl --silent --show-error --fail-with-body ") for command in commands)
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": os.environ["PATH"], "MINAMOTO": origin, "TOKEN": world.token},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2_000:] + run.stderr
    crm = world.program(world.token)
    deal = crm.get("/deals/D-1").json
    assert deal is not None
    assert (deal["status"], deal["net"], deal["stage"]) == ("won", "1299.75", "closed")
    assert '"first_channel"' in run.stdout
