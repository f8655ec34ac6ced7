"""Servers to compare with: a Flask route that does nothing, and one transaction per request in a Flask route.

Run as `python bench/parts/plain.py {nothing|each} PORT`; both on granian with threads, as a Flask application is.
The second does for each beacon what the product does for a batch: read, judge, write, commit, then answer.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from flask import Flask, request
from granian import Granian
from granian.constants import Interfaces

from tracker.access.sites import all_sites
from tracker.clock import now
from tracker.collect.accept import SiteFacts, accept
from tracker.db.store import begin, connect, reading

THREADS = 16
NAMED = ("user-agent", "purpose", "sec-purpose", "sec-gpc")


def nothing(*_: object) -> Flask:
    """A route that answers 204."""
    app = Flask("nothing")
    app.post("/m/e")(lambda: ("", 204))
    return app


def each(*_: object) -> Flask:
    """A route that takes a beacon in a transaction of its own."""
    app, engine = Flask("each"), connect(os.environ["MINAMOTO_DATABASE_URL"])
    with reading(engine) as tx:
        sites = {site.key: SiteFacts(site.site_id, site.hosts, site.timezone) for site in all_sites(tx)}

    @app.post("/m/e")
    def take() -> tuple[str, int]:
        headers = {name: value for name in NAMED if (value := request.headers.get(name))}
        with begin(engine) as tx:
            taken = accept(
                tx, request.get_data(), headers=headers, address=request.remote_addr or "", sites=sites, now=now(),
                max_age=timedelta(days=7),
            )  # fmt: skip
        return "", 204 if taken.n_taken else 400

    return app


def main() -> None:
    loader = {"nothing": nothing, "each": each}[sys.argv[1]]
    Granian(
        "plain", port=int(sys.argv[2]), interface=Interfaces.WSGI, workers=1, blocking_threads=THREADS, log_access=False
    ).serve(target_loader=loader, wrap_loader=False)


if __name__ == "__main__":
    main()
