"""Routes compiled once for all applications of a run, though each test has an application of its own.

Werkzeug writes, parses and compiles two functions for each of some two hundred routes: that takes four times as long as
all else that makes an application.
"""

from collections.abc import Callable

from flask import Flask
from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]
BUILDERS: dict[tuple[object, ...], Builder] = {}


class SharedRule(Rule):
    """A route that takes the functions which one of the same words has compiled: they are given the route itself."""

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        key = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        if key not in BUILDERS:
            BUILDERS[key] = super()._compile_builder(append_unknown)
        return BUILDERS[key]


def share_routes() -> None:
    """From now on let every application share what others compiled."""
    Flask.url_rule_class = SharedRule
