"""Refuses placeholders in the text of a query: a value that becomes part of one can become a command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intellyhub_engine.errors import PermanentError

__all__ = ["refuse_placeholders"]

PLACEHOLDER = re.compile(r"\{\s*([A-Za-z_]\w*)[^{}\n]*\}")


def refuse_placeholders(text: str, names: Mapping[str, Any], *, language: str, sign: str) -> None:
    """Raise PermanentError for a placeholder that names a variable; other braces are the query's own. A value is
    written with the `sign` before its name."""
    for match in PLACEHOLDER.finditer(text):
        is_map_key = text[match.end(1) :].lstrip().startswith(":") and sign != ":"
        if match[1] in names and not is_map_key:
            raise PermanentError(
                f"{match[0]} is not put into {language}, because it could become {language}; write {sign}{match[1]}"
            )
