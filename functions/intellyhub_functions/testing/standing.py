"""What a source of a test has reported of itself."""

from __future__ import annotations

from intellyhub_engine.machine.source import Health
from intellyhub_functions.testing.surroundings import Listening, await_that

__all__ = ["Standing", "await_contact", "await_failure", "standing_of"]

CONTACT_SECONDS = 10.0


class Standing:
    """Every report, in order; for `make_context`."""

    def __init__(self) -> None:
        self.reports: list[Health] = []

    def __call__(self, health: Health) -> None:
        self.reports.append(health)

    @property
    def connected(self) -> bool:
        """Whether the last report says so."""
        return bool(self.reports) and self.reports[-1].connected


def standing_of(source: Listening) -> Standing:
    """The reports of a source whose context was made with a `Standing`."""
    standing = source.context.report
    assert isinstance(standing, Standing)
    return standing


def await_contact(source: Listening) -> None:
    """Wait until the source says that it is connected; raises AssertionError with its log where it does not."""
    try:
        await_that(lambda: standing_of(source).connected, CONTACT_SECONDS)
    except TimeoutError as fault:
        raise AssertionError(f"no contact: {getattr(source.context.log, 'lines', '')}") from fault


def await_failure(source: Listening) -> str:
    """Wait until the source says that it is not connected; why."""
    await_that(lambda: standing_of(source).reports and not standing_of(source).connected)
    return standing_of(source).reports[-1].message
