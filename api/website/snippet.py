"""Puts a site's script together: the core, the site's settings, and the parts that it has switched on, in one file.

The pieces are the built ones (static/built/, made by `make snippet`): each is one function expression, so the whole is
one call, `(core)(settings, (kit)([part, ...]))`, leaves nothing in the page's scope, and throws nothing into it.
Without parts there is no kit.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

HEAD = "// Minamoto: docs/snippet.md\n"


@lru_cache(maxsize=256)
def piece(folder: str, name: str) -> str:
    """One built piece, without its last line's end; `folder` is where static/ is."""
    return (Path(folder) / "built" / f"{name}.js").read_text(encoding="utf-8").strip()


def compose(folder: str, settings: Mapping[str, Any], parts: Sequence[str]) -> bytes:
    """The script to serve.

    folder    where static/ is
    settings  what the core and the parts read; anything that JSON can say
    parts     names of files in static/built/; raises FileNotFoundError for one that is not there
    """
    # A host's name or a site's is text from people: "</script>" and U+2028 must stay harmless wherever it is put.
    told = json.dumps(dict(settings), separators=(",", ":")).replace("<", "\\u003c")
    code = ",".join(piece(folder, name) for name in parts)
    kit = f",({piece(folder, 'kit')})([{code}])" if parts else ""
    return f"{HEAD}try{{({piece(folder, 'm')})({told}{kit})}}catch(e){{}}\n".encode()
