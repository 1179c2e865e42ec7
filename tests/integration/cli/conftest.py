"""A folder for each test of the command line."""

from __future__ import annotations

import os

import pytest

from tests.integration.cli.calls import APPROVAL, COUNT, NEWS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with a state folder and an environment of its own."""
    for name in list(os.environ):
        if name.startswith(("INTELLYHUB_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    for name, text in (("count.yaml", COUNT), ("approval.yaml", APPROVAL), ("news.yaml", NEWS)):
        (tmp_path / name).write_text(text)
    return tmp_path
