"""(pure) The draft with which a site without a definition begins: nothing counts by it until it is saved and signed."""

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def draft_text() -> str:
    """Its text, as definition.py reads it."""
    return (Path(__file__).parent / "default.toml").read_text(encoding="utf-8")
