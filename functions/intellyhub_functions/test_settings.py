"""The settings of an installation's functions."""

# mypy: allow-untyped-defs, allow-untyped-calls

from pathlib import Path

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_functions.settings import Reach, read_settings


def test_without_variables_there_are_defaults():
    found = read_settings({})
    assert (found.reach, found.file_roots) == (Reach.NO_METADATA, ())


def test_variables_are_read():
    found = read_settings({"INTELLYHUB_NETWORK": "public", "INTELLYHUB_FILE_ROOTS": "/data:/srv/files"})
    assert (found.reach, found.file_roots) == (Reach.PUBLIC, (Path("/data"), Path("/srv/files")))


def test_every_bad_variable_is_named_at_once():
    with pytest.raises(InputInvalid, match=r"INTELLYHUB_NETWORK is 'all'.*INTELLYHUB_FILE_ROOTS names 'here'"):
        read_settings({"INTELLYHUB_NETWORK": "all", "INTELLYHUB_FILE_ROOTS": "here"})
