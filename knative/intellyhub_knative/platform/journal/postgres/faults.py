"""What PostgreSQL's errors mean for the journal: the one place that translates them."""

from __future__ import annotations

import psycopg2

from intellyhub_engine.errors import JournalError, JournalFull, JournalUnwritable
from intellyhub_knative.platform.journal.postgres.tables import FENCED
from intellyhub_knative.platform.journal.store import DatabaseLost

__all__ = ["PostgresFaults", "is_end", "reason_of"]

_FULL = frozenset({"53100"})
"""disk_full; codes: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
_BUSY = frozenset({"55P03", "40001", "40P01"})
_ENDS = frozenset({"57P01", "57P02", "57P03", "57P05", FENCED})
"""The server ends this session, or another service owns the journal."""
_OF_THE_CONNECTION = (psycopg2.DatabaseError, psycopg2.OperationalError)
"""Not their subclasses: those say what is wrong with a statement."""
_REMEDIES = {
    "25006": "is read-only; connect to the primary, or switch default_transaction_read_only off",
    "42501": "refuses its user; grant it what the journal needs on its schema",
    "53200": "has no memory left",
    "53300": "has no connections left; raise max_connections, or give the journal's user its own",
    "57014": "took too long; look at what else is running there",
}


class PostgresFaults:
    """What errors mean, for the writer."""

    kind: type[Exception] = psycopg2.Error

    def translate(self, fault: Exception) -> JournalError:
        """The error to raise."""
        code = getattr(fault, "pgcode", None)
        if code in _FULL:
            return JournalFull(
                f"the journal's database has no room to grow ({reason_of(fault)}); what was committed is safe. "
                "Free space on its disk, then resume the run"
            )
        remedy = _REMEDIES.get(code or "", "cannot be used")
        return JournalUnwritable(f"the journal's database {remedy} ({reason_of(fault)})")

    def is_busy(self, fault: Exception) -> bool:
        """Whether somebody else holds what a transaction needs."""
        return getattr(fault, "pgcode", None) in _BUSY

    def is_lost(self, fault: Exception) -> bool:
        """Whether nobody knows what became of the transaction."""
        return isinstance(fault, DatabaseLost)


def is_end(fault: psycopg2.Error) -> bool:
    """Whether the error ends this service's ownership, though the connection may look open: an error of the connection,
    which has no code, can come before psycopg2 notes that it is closed."""
    return fault.pgcode in _ENDS or (fault.pgcode is None and type(fault) in _OF_THE_CONNECTION)


def reason_of(fault: Exception) -> str:
    """One line, without what was to be written."""
    lines = str(fault).strip().splitlines()
    return lines[0][:300] if lines else type(fault).__name__
