"""What `{import datetime; …}` may import: a few harmless names of the standard library (section 6.1).

The clock is the scope's. Randomness is the scope's too, where it has one, so that a resumed run sees the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import TYPE_CHECKING, Any

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.functions import to_json
from intellyhub_engine.language.expressions.limits import check_strftime, spend_text
from intellyhub_engine.language.values.values import text_of, wrap

if TYPE_CHECKING:
    from random import Random

    from intellyhub_engine.language.values.scope import Scope

__all__ = ["CONSTANTS", "LIBRARY", "MODULES"]


def _now(budget: list[int], scope: Scope, tz: Any = None) -> datetime:
    return scope.now().astimezone(tz) if tz is not None else scope.now().astimezone().replace(tzinfo=None)


def _utcnow(budget: list[int], scope: Scope) -> datetime:
    return scope.now().replace(tzinfo=None)


def _today(budget: list[int], scope: Scope) -> date:
    return _now(budget, scope).date()


def _time(budget: list[int], scope: Scope) -> float:
    return scope.now_ns() / 1_000_000_000


def _time_strftime(budget: list[int], scope: Scope, pattern: str) -> str:
    return _now(budget, scope).strftime(check_strftime(pattern))


def _strptime(budget: list[int], scope: Scope, text: str, pattern: str) -> datetime:
    return datetime.strptime(text[:200], check_strftime(pattern))  # noqa: DTZ007 - as the author's pattern says


def _random(scope: Scope) -> Random:
    from random import SystemRandom

    return scope.random or SystemRandom()


def _drawn(name: str) -> Callable[..., Any]:
    def call(budget: list[int], scope: Scope, *arguments: Any) -> Any:
        return getattr(_random(scope), name)(*arguments)

    return call


def _sample(budget: list[int], scope: Scope, items: list[Any], count: int) -> list[Any]:
    if count > len(items):
        raise EvaluationFailed(f"a sample of {count} from {len(items)} items")
    return _random(scope).sample(list(items), count)


def _uuid4(budget: list[int], scope: Scope) -> str:
    from uuid import UUID

    return str(UUID(int=_random(scope).getrandbits(128), version=4))


def _loads(budget: list[int], scope: Scope, text: Any) -> Any:
    import json

    text = text_of(text)
    spend_text(budget, len(text) * 8)
    return wrap(json.loads(text))


def _digest(name: str) -> Callable[..., Any]:
    def call(budget: list[int], scope: Scope, value: Any) -> str:
        import hashlib

        text = value if isinstance(value, bytes) else text_of(value).encode()
        spend_text(budget, len(text))
        return hashlib.new(name, text, usedforsecurity=False).hexdigest()

    return call


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(budget: list[int], scope: Scope, *arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    return call


LIBRARY: dict[str, Callable[..., Any]] = {
    "datetime.datetime": _plain(datetime),
    "datetime.datetime.now": _now,
    "datetime.datetime.today": _now,
    "datetime.datetime.utcnow": _utcnow,
    "datetime.datetime.fromisoformat": _plain(datetime.fromisoformat),
    "datetime.datetime.fromtimestamp": _plain(datetime.fromtimestamp),
    "datetime.datetime.strptime": _strptime,
    "datetime.datetime.combine": _plain(datetime.combine),
    "datetime.date": _plain(date),
    "datetime.date.today": _today,
    "datetime.date.fromisoformat": _plain(date.fromisoformat),
    "datetime.time": _plain(clock_time),
    "datetime.timedelta": _plain(timedelta),
    "time.time": _time,
    "time.time_ns": lambda budget, scope: scope.now_ns(),
    "time.strftime": _time_strftime,
    **{
        f"math.{name}": _plain(getattr(math, name))
        for name in ["ceil", "floor", "sqrt", "log", "log2", "log10", "exp", "sin", "cos", "tan"]
    },
    **{
        f"math.{name}": _plain(getattr(math, name))
        for name in ["fabs", "hypot", "isnan", "isinf", "trunc", "degrees", "radians"]
    },
    "math.pow": _plain(math.pow),
    "random.random": _drawn("random"),
    "random.randint": _drawn("randint"),
    "random.uniform": _drawn("uniform"),
    "random.choice": _drawn("choice"),
    "random.sample": _sample,
    "uuid.uuid4": _uuid4,
    "json.dumps": lambda budget, scope, value, **options: to_json(value, indent=options.get("indent")),
    "json.loads": _loads,
    **{f"hashlib.{name}": _digest(name) for name in ("md5", "sha1", "sha256")},
}
"""Dotted name -> `function(budget, scope, *arguments)`. The digests give their hexadecimal text at once."""

CONSTANTS: dict[str, Any] = {
    "datetime.timezone.utc": UTC,
    "datetime.UTC": UTC,
    "datetime.datetime.min": datetime.min,  # noqa: DTZ901 - naive, as the library has it
    "datetime.datetime.max": datetime.max,  # noqa: DTZ901
    "datetime.date.min": date.min,
    "datetime.date.max": date.max,
    "math.pi": math.pi,
    "math.e": math.e,
    "math.inf": math.inf,
}

MODULES = frozenset(name.split(".")[0] for name in LIBRARY)
"""What may be imported."""
