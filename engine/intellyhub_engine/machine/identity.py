"""Run ids: sortable by time, unique without coordination."""

from __future__ import annotations

import re

__all__ = ["attempt_key", "is_repeat", "make_child_id", "make_run_id"]

REPEATS = re.compile(r"~\d+(?=\.|$)")


def make_run_id(now_ns: int, randomness: bytes) -> str:
    """A UUID version 7 (RFC 9562 section 5.7) as 32 hex digits: milliseconds first, then `randomness` (10 bytes)."""
    stamp = (now_ns // 1_000_000) & 0xFFFF_FFFF_FFFF
    noise = int.from_bytes(randomness[:10], "big")
    high = (stamp << 16) | 0x7000 | (noise & 0x0FFF)
    low = 0x8000_0000_0000_0000 | ((noise >> 12) & 0x3FFF_FFFF_FFFF_FFFF)
    return f"{high:016x}{low:016x}"


def make_child_id(parent_id: str, seq: int, key: str) -> str:
    """The id of the child run that step `seq` of a run makes for `key`: the same after every crash."""
    return f"{parent_id}.{seq}.{key}"


def attempt_key(key: str, attempt: int) -> str:
    """The key of a child that a later attempt of its step makes again."""
    return key if attempt == 1 else f"{key}~{attempt}"


def is_repeat(run_id: str, other_id: str) -> bool:
    """Whether one is the other begun again (`<run>~1`), or their children are; a fork has an id of its own."""
    return REPEATS.sub("", run_id) == REPEATS.sub("", other_id)
