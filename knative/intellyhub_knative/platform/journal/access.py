"""Who may ask the journal service what."""

from __future__ import annotations

import hmac
from typing import NamedTuple

from intellyhub_engine.errors import JournalUnwritable, RunNotFound
from intellyhub_engine.journal.sql import Connection
from intellyhub_knative.platform.keys import Keys, Purpose

__all__ = ["Scope", "Wards", "flow_token", "recognise"]

_MAX_REMEMBERED = 50_000
_PARENT = "SELECT flow, parent_id FROM run WHERE run_id = ?"


class Scope(NamedTuple):
    """What the owner of a token may do."""

    flow: str | None
    """Its `journal_name`: runs of that flow and their child runs, events of its tenant. None: everything."""

    @property
    def tenant_id(self) -> str | None:
        """Whose events it may store; None: anyone's."""
        return self.flow and self.flow.partition("/")[0]


def flow_token(keys: Keys, journal_name: str) -> str:
    """The token for the workers of one flow: says which, and proves it."""
    return f"{journal_name}:{keys.token(Purpose.JOURNAL, journal_name)}"


def recognise(token: str, keys: Keys) -> Scope:
    """What a token is good for. Raises `JournalUnwritable` for one that is not ours."""
    flow, _, proof = token.rpartition(":")
    if not hmac.compare_digest(proof.encode(), keys.token(Purpose.JOURNAL, flow).encode()):
        raise JournalUnwritable("the token is not one of this platform's")
    return Scope(flow or None)


class Wards:
    """Whose runs are whose: a child run belongs to the flow of the run it descends from, whatever flow it is of."""

    def __init__(self) -> None:
        self._flows: dict[str, str] = {}

    def permit(self, scope: Scope, run_id: str, connection: Connection) -> None:
        """Raise `RunNotFound` for a run that the scope does not cover, just as for one that is not there."""
        if scope.flow is not None and self.flow_of(run_id, connection) != scope.flow:
            raise RunNotFound(run_id)

    def flow_of(self, run_id: str, connection: Connection) -> str:
        """The flow that the run belongs to. Raises `RunNotFound`."""
        flow = self._flows.get(run_id)
        if flow is None:
            row = connection.execute(_PARENT, (run_id,)).fetchone()
            if row is None:
                raise RunNotFound(run_id)
            flow = row[0] if row[1] is None else self.flow_of(row[1], connection)
            if len(self._flows) >= _MAX_REMEMBERED:
                self._flows.clear()
            self._flows[run_id] = flow
        return flow

    def learn(self, run_id: str, flow: str, parent_id: str | None) -> None:
        """A run was made, and that is committed: spares the question whose it is."""
        of = flow if parent_id is None else self._flows.get(parent_id)
        if of is not None and len(self._flows) < _MAX_REMEMBERED:
            self._flows[run_id] = of

    def forget(self) -> None:
        """Runs were deleted: their ids may be given again."""
        self._flows.clear()
