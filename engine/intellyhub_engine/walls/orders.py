"""What `enclose` leaves for the host of blocks to do: it alone can, as it is the ancestor of every author's process."""

from __future__ import annotations

__all__ = ["gate"]

gate: str | None = None
"""None: connections need no gate. Empty: closed addresses are kept behind one. A folder: so are unix sockets, and those
in this folder alone can be connected to."""
