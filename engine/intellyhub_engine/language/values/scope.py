"""The names a flow sees, and in which order they win."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

__all__ = ["Scope", "TolerantScope", "UnknownName"]

_ABSENT = object()


class UnknownName(KeyError):
    """No entry, outer value or implicit name is called so."""

    def __str__(self) -> str:
        return f"no variable is called {self.args[0]!r}"


class Scope(dict[str, Any]):
    """Own entries are the run's variables. `scope[name]` and `get` fall back to `outer` (user variables, secrets,
    services, environment; or the parent run's scope) and then to the implicit names of FLOW_LANGUAGE section 6.5;
    iteration, length and equality are those of the own entries, which alone are journalled.
    """

    __slots__ = ("now_ns", "outer", "random", "warnings")

    def __init__(
        self,
        entries: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        *,
        outer: Mapping[str, Any] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        random: Random | None = None,
        warnings: list[str] | None = None,
    ) -> None:
        super().__init__(entries)
        self.outer = outer
        self.now_ns = now_ns
        self.random = random
        self.warnings: list[str] = [] if warnings is None else warnings
        """What compiled code could not resolve; whoever runs the code drains it into the run's log."""

    def __missing__(self, name: str) -> Any:
        if self.outer is not None:
            try:
                return self.outer[name]
            except KeyError:
                pass
        implicit = _IMPLICIT.get(name)
        if implicit is None:
            raise UnknownName(name)
        return implicit(self)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return self.get(name, _ABSENT) is not _ABSENT  # type: ignore[arg-type]

    def own(self, name: str) -> bool:
        """Whether the run itself has the variable."""
        return dict.__contains__(self, name)

    def child(self, entries: Mapping[str, Any] | None = None) -> Scope:
        """A scope above this one: it reads these names, its assignments stay its own. Warnings are shared."""
        return Scope(entries or {}, outer=self, now_ns=self.now_ns, random=self.random, warnings=self.warnings)

    def now(self) -> datetime:
        """The scope's clock, UTC."""
        return datetime.fromtimestamp(self.now_ns() / 1_000_000_000, UTC)


class TolerantScope(Scope):
    """A scope in which unknown names are None; each is reported once. Conditions run in it when a name is missing."""

    __slots__ = ()

    def __init__(self, scope: Scope) -> None:
        super().__init__(outer=scope, now_ns=scope.now_ns, random=scope.random, warnings=scope.warnings)

    def __missing__(self, name: str) -> Any:
        try:
            return super().__missing__(name)
        except UnknownName as unknown:
            self.warnings.append(f"{unknown}: taken as empty. If it is text, put it in quotes")
            self[name] = None
            return None


def _clock(pattern: str) -> Callable[[Scope], str]:
    return lambda scope: scope.now().strftime(pattern)


_IMPLICIT: dict[str, Callable[[Scope], Any]] = {
    "timestamp": _clock("%Y-%m-%dT%H:%M:%SZ"),
    "current_date": _clock("%Y-%m-%d"),
    "current_time": _clock("%H:%M:%S"),
    "error_message": lambda scope: "",
    "error_state": lambda scope: "",
}
