"""What is under way, counted by whose it is: nobody who has nothing is remembered."""

from __future__ import annotations

from collections import Counter

__all__ = ["subtract"]


def subtract(counts: Counter[str], name: str, count: int = 1) -> None:
    """Count down, and forget what is at nothing."""
    counts[name] -= count
    if not counts[name]:
        del counts[name]
