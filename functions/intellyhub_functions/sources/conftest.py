"""What every test of a source has."""

# mypy: allow-untyped-defs, allow-untyped-decorators

import pytest


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A source sees within a moment that it has to end, and waits shortly after a failure."""
    monkeypatch.setattr("intellyhub_functions.sources.backoff.FIRST_SECONDS", 0.02)
    for module in ("calls", "interruption"):
        monkeypatch.setattr(f"intellyhub_functions.sources.{module}.LOOK_SECONDS", 0.01)
