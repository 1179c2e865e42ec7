"""What connections to PostgreSQL servers share: what libpq is told, which errors pass."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["OWN", "PASSING_CLASSES", "at_addresses"]

OWN = {
    "passfile": f"{os.devnull}/none",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "application_name": "IntellyHub",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
"""Nothing of the process's own account; and a connection that went silent is found."""
PASSING_CLASSES = ("08", "40", "53", "55", "57", "58")
"""Of SQLSTATE: connection, rollback, resources, object state, operator, system."""


def at_addresses(host: str, addresses: Sequence[str]) -> dict[str, str]:
    """Have libpq connect to these addresses of a host, which were checked, and look it up no second time."""
    return {"host": ",".join([host] * len(addresses)), "hostaddr": ",".join(addresses)}
