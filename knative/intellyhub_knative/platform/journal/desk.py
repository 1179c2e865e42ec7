"""What answering a call takes: the call itself, and what lies on the desk beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from intellyhub_engine.errors import JournalUnwritable
from intellyhub_engine.journal.sql import Connection
from intellyhub_knative.platform.journal.access import Scope, Wards

__all__ = ["Desk", "Request"]


class Desk(NamedTuple):
    """What answering takes beside the database."""

    now_ns: Callable[[], int]
    wards: Wards
    now: Connection
    """For quick questions."""


class Request(NamedTuple):
    """One call of a client."""

    scope: Scope
    arguments: list[Any]
    payload: bytes
    again: bool
    """It may have been done already."""

    def need_platform(self) -> None:
        """Raise `JournalUnwritable` unless the platform itself asks."""
        if self.scope.flow is not None:
            raise JournalUnwritable("a flow's token does not allow this")

    def need_flow(self, flow: str) -> None:
        """Raise `JournalUnwritable` unless the flow is of the asker's tenant: flows of one may call each other, and
        each then remembers and spends under its own name."""
        own = self.scope.flow
        if own not in {None, flow} and not flow.startswith(f"{self.scope.tenant_id}/"):
            raise JournalUnwritable("this token is for flows of another tenant")
