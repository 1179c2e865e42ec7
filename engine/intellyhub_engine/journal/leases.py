"""Who may write a run: its holder, while no one else has taken it over."""

from __future__ import annotations

from intellyhub_engine.errors import LeaseLost

__all__ = ["LAST_NS", "lease_end", "refuse_living_lease", "refuse_stranger"]

LAST_NS = 2**63 - 1
"""The latest moment a journal can tell, in the year 2262; anything later is kept as this."""

_SECOND_NS = 1_000_000_000


def lease_end(now_ns: int, lease_seconds: float) -> int:
    """When a lease taken now ends, Unix nanoseconds."""
    return min(now_ns + int(lease_seconds * _SECOND_NS), LAST_NS)


def refuse_living_lease(run_id: str, owner: str | None, until_ns: int | None, now_ns: int) -> None:
    """Raise `LeaseLost` while someone holds the run."""
    if owner is not None and until_ns is not None and until_ns > now_ns:
        seconds = (until_ns - now_ns) / _SECOND_NS
        raise LeaseLost(f"run {run_id} is held by {owner} for another {seconds:.1f} s")


def refuse_stranger(run_id: str, holder: str | None, owner: str) -> None:
    """Raise `LeaseLost` unless `owner` is who holds the run. An ended lease that no one took over still counts."""
    if holder != owner:
        fact = f"is held by {holder}" if holder is not None else "is not held"
        raise LeaseLost(f"run {run_id} {fact}; {owner} must stop")
