"""What a target's name means where it is written: a neighbour, a state further out, or the end of a pass."""

from __future__ import annotations

from typing import NamedTuple

from intellyhub_engine.language.model import BREAK, CONTINUE, END

__all__ = ["ERROR", "PSEUDO_TARGETS", "Region", "Target"]

ERROR = "error"
"""The target that fails the run where no state has that name."""

PSEUDO_TARGETS = {
    "continue": CONTINUE,
    "continue_loop": CONTINUE,
    "break": BREAK,
    "break_loop": BREAK,
}


class Target(NamedTuple):
    """Where a name leads. `known` is False for a name nobody has; `outside` is the state a body tried to reach."""

    state: str
    known: bool = True
    outside: str | None = None


class Region:
    """Bodies that can name one another. `leave` is what every other name means in them: CONTINUE in a loop's body,
    END in a parallel's branch; None lets names reach outward."""

    __slots__ = ("leave", "names", "outer", "owner")

    def __init__(
        self, names: dict[str, str], outer: Region | None = None, leave: str | None = None, owner: str | None = None
    ) -> None:
        self.names = names
        self.outer = outer
        self.leave = leave
        self.owner = owner

    def resolve(self, name: str) -> Target:
        """Where a transition to `name` leads."""
        full = self.names.get(name)
        if full is not None:
            return Target(full)
        if self.leave is not None:
            return self._leave(name, self.leave)
        if self.outer is not None:
            return self.outer.resolve(name)
        if name in PSEUDO_TARGETS:
            return Target(PSEUDO_TARGETS[name])
        return Target(name, known=name in (END, ERROR))

    def _leave(self, name: str, leave: str) -> Target:
        pseudo = PSEUDO_TARGETS.get(name)
        if pseudo == BREAK and leave == CONTINUE:
            return Target(BREAK)
        if pseudo is not None or name in (END, self.owner):
            return Target(leave)
        outside = self._outside(name)
        if outside is not None:
            return Target(leave, outside=outside)
        if name == ERROR:
            return Target(ERROR)
        return Target(leave, known=False)

    def _outside(self, name: str) -> str | None:
        region = self.outer
        while region is not None:
            if name in region.names:
                return region.names[name]
            region = region.outer
        return None
