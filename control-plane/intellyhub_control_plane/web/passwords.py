"""Passwords: Argon2id, with the parameters that OWASP advises (19 MiB, two passes)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["hash_password", "needs_rehash", "spend_the_same_time", "verify_password"]

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
OF_NOBODY = HASHER.hash("nobody's password")


def hash_password(password: str) -> str:
    """What is kept of a password."""
    return HASHER.hash(password)


def verify_password(kept: str, password: str) -> bool:
    """Whether it is the one."""
    try:
        return HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def spend_the_same_time(password: str) -> None:
    """For an account that does not exist: nobody learns that from how long the answer takes."""
    verify_password(OF_NOBODY, password)


def needs_rehash(kept: str) -> bool:
    """Whether the parameters were raised since."""
    return HASHER.check_needs_rehash(kept)
