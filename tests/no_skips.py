"""A pytest plugin for the gate (`-p tests.no_skips`): a skipped test fails the run.

On a person's machine a test may be skipped for want of a browser or a server; in the gate that would hide it.
"""

import pytest


def _skipped(session: pytest.Session) -> int:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> object:
    """Runs last in the process that reports (with xdist: not in the workers, which have no reporter)."""
    if session.exitstatus == pytest.ExitCode.OK and _skipped(session):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says why an otherwise green run is red."""
    n_skipped = len(terminalreporter.stats.get("skipped", []))
    if n_skipped:
        terminalreporter.write_line(f"{n_skipped} skipped, and the gate allows none", red=True)
