"""Attempts to get in, and when there were too many."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, Index, Integer, String, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from intellyhub_control_plane.errors import TooManyRequests
from intellyhub_control_plane.models.record import Record, now

__all__ = ["Attempt"]

WINDOW = timedelta(minutes=15)
FAILURES_OF_ACCOUNT_AND_ADDRESS = 5
FAILURES_OF_ADDRESS = 20
FAILURES_OF_ACCOUNT = 50
"""From anywhere: against guessing from many addresses. Higher, so that one stranger cannot lock someone out."""
REGISTRATIONS_OF_ADDRESS = 10


class Attempt(Record):
    """A failed login, or a registration (without an account)."""

    __tablename__ = "attempts"
    __table_args__ = (Index(None, "address", "at"), Index(None, "account", "at"))

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    address: Mapped[str] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(254))
    at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def check_login(cls, session: Session, address: str, account: str) -> None:
        """Raises `TooManyRequests` where there were too many failures within the last 15 minutes."""
        from_here, of_account = cls.address == address, cls.account == account
        cls._check(session, FAILURES_OF_ACCOUNT_AND_ADDRESS, from_here, of_account)
        cls._check(session, FAILURES_OF_ADDRESS, from_here, cls.account != "")
        cls._check(session, FAILURES_OF_ACCOUNT, of_account)

    @classmethod
    def check_registration(cls, session: Session, address: str) -> None:
        """Raises `TooManyRequests` where there were too many within the last 15 minutes."""
        cls._check(session, REGISTRATIONS_OF_ADDRESS, cls.address == address, cls.account == "")

    @classmethod
    def _check(cls, session: Session, most: int, *conditions: ColumnElement[bool]) -> None:
        question = select(func.count(), func.min(cls.at)).where(cls.at > now() - WINDOW, *conditions)
        number, first = session.execute(question).one()
        if number >= most:
            raise TooManyRequests("too many attempts", int((first + WINDOW - now()).total_seconds()) + 1)

    @classmethod
    def record(cls, session: Session, address: str, account: str) -> None:
        """Remember an attempt, and forget those that count no more."""
        session.execute(delete(cls).where(cls.at <= now() - WINDOW))
        session.add(cls(address=address, account=account))

    @classmethod
    def forgive(cls, session: Session, address: str, account: str) -> None:
        """A login succeeded: its account's failures from there count no more."""
        session.execute(delete(cls).where(cls.address == address, cls.account == account))
