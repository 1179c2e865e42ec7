"""What a worker and each of its children may use, by setrlimit."""

from __future__ import annotations

import resource

__all__ = ["set_limits"]


def set_limits(wanted: dict[int, int]) -> None:
    """Set limits by their kind (`resource.RLIMIT_...`), for good; one above what is in force already stays at that."""
    for kind, value in wanted.items():
        _, hard = resource.getrlimit(kind)
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (lowest, lowest))
