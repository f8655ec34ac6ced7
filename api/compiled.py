"""Templates are compiled once in a process, however many applications it makes; a changed text is compiled anew."""

from types import CodeType

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

CODES: dict[tuple[str, str], CodeType] = {}


class Compiled(BytecodeCache):
    """Compiled templates by their name and the digest of their text, in this process's memory."""

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code of a template that was compiled before."""
        bucket.code = CODES.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template."""
        if bucket.code is not None:
            CODES[bucket.key, bucket.checksum] = bucket.code


def register(app: Flask) -> None:
    """Let the application's templates be compiled so."""
    app.jinja_env.bytecode_cache = Compiled()
