"""Regular expressions under a clock: neither an author's pattern nor an event's text can hang a worker."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed

if TYPE_CHECKING:
    import regex

__all__ = ["TIMEOUT_SECONDS", "compiled", "matches"]

TIMEOUT_SECONDS = 0.25
"""Per search. The `regex` library looks at the clock while it backtracks; `re` cannot be stopped."""
_MAX_PATTERN = 1_000
_MAX_SUBJECT = 1_000_000


@lru_cache(maxsize=256)
def compiled(pattern: str) -> regex.Pattern[str]:
    """The compiled pattern. Raises `EvaluationFailed` when it is not one, or too long to be one worth running."""
    import regex

    if len(pattern) > _MAX_PATTERN:
        raise EvaluationFailed(f"a pattern may have {_MAX_PATTERN} characters, this one has {len(pattern)}")
    try:
        return regex.compile(pattern, cache_pattern=False)
    except (regex.error, OverflowError, RecursionError) as error:
        raise EvaluationFailed(f"{pattern!r} is not a regular expression: {error}") from error


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found anywhere in the text, as `re.search` does; case counts unless it begins `(?i)`."""
    return search(text, pattern) is not None


def search(text: str, pattern: str) -> Any:
    """The first match, or None. Raises `EvaluationFailed` after `TIMEOUT_SECONDS`."""
    if len(text) > _MAX_SUBJECT:
        raise EvaluationFailed(f"a text of {len(text):,} characters is too long to search for a pattern")
    try:
        return compiled(pattern).search(text, timeout=TIMEOUT_SECONDS, concurrent=True)
    except TimeoutError as error:
        raise EvaluationFailed(
            f"the pattern {pattern!r} took more than {TIMEOUT_SECONDS} s; write it simpler"
        ) from error
