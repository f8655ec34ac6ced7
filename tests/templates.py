"""Templates compiled once for all applications of a run: each test has one of its own, and compiling takes a second."""

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class Compiled(BytecodeCache):
    """What was compiled, in memory; a template whose text is another has another checksum."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what was compiled from the same text."""
        if found := self.known.get(f"{bucket.key} {bucket.checksum}"):
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self.known[f"{bucket.key} {bucket.checksum}"] = bucket.bytecode_to_string()


COMPILED = Compiled()


def compile_once(app: Flask) -> Flask:
    """Let an application share what others compiled."""
    app.jinja_env.bytecode_cache = COMPILED
    return app
