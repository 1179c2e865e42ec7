"""What members of a tenant may do."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Role"]


class Role(StrEnum):
    """A member's role. Each may do what those after it may."""

    OWNER = "owner"  # everything, the organisation itself included
    ADMIN = "admin"  # members, tokens, secrets
    EDITOR = "editor"  # publishes flows, sets variables
    OPERATOR = "operator"  # runs flows, cancels, replays, redelivers
    VIEWER = "viewer"  # looks

    @property
    def rank(self) -> int:
        """Higher may more."""
        return RANKS[self]

    def may(self, needed: Role) -> bool:
        """Whether this role suffices where `needed` is asked for."""
        return self.rank >= needed.rank


RANKS = {role: len(Role) - place for place, role in enumerate(Role)}
