"""What the command line reads from the environment."""

from pathlib import Path

from intellyhub_engine.cli.settings import read_settings


def test_the_journal_is_in_the_state_folder_of_the_user():
    assert read_settings({"HOME": "/home/ada"}).journal == Path("/home/ada/.local/state/intellyhub/journal.db")
    assert read_settings({"XDG_STATE_HOME": "/state"}).journal == Path("/state/intellyhub/journal.db")


def test_the_journal_can_be_named():
    assert read_settings({"INTELLYHUB_JOURNAL": "/a/b.db", "HOME": "/home/ada"}).journal == Path("/a/b.db")


def test_tracebacks_are_off_unless_asked_for():
    assert not read_settings({}).debug
    assert not read_settings({"INTELLYHUB_DEBUG": "0"}).debug
    assert read_settings({"INTELLYHUB_DEBUG": "1"}).debug
