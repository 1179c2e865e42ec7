"""Everything that can go wrong has a message, a remedy and an exit code."""

import errno
import inspect
import json

import click
import pytest

from intellyhub_engine import errors
from intellyhub_engine.cli.exits import Exit
from intellyhub_engine.cli.faults import explain
from intellyhub_engine.errors import EngineError


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (errors.InputInvalid("x: bad"), Exit.INVALID, "x: bad"),
        (errors.FlowInvalid([]), Exit.INVALID, ""),
        (errors.RunNotFound("7"), Exit.NOT_FOUND, "intellyhub runs"),
        (errors.LeaseLost("held"), Exit.BUSY, "Wait"),
        (errors.JournalUnwritable("j.db: no"), Exit.UNWRITABLE, "--journal"),
        (errors.JournalFull("full"), Exit.DISK_FULL, "Make room"),
        (OSError(errno.ENOSPC, "No space left", "f"), Exit.DISK_FULL, "Make room"),
        (OSError(errno.EACCES, "Permission denied", "f"), Exit.UNWRITABLE, "rights"),
        (OSError(errno.EADDRINUSE, "Address in use"), Exit.BUSY, "--port"),
        (MemoryError(), Exit.FAILED, "memory"),
        (RecursionError(), Exit.INVALID, "nest"),
        (KeyboardInterrupt(), Exit.CANCELLED, "cancelled"),
        (click.UsageError("no such thing"), Exit.INVALID, "no such thing"),
        (KeyError("x"), Exit.INTERNAL, "KeyError: 'x'"),
    ],
)
def test_a_fault_says_what_to_do(error, code, words):
    fault = explain(error)
    assert (fault.code, words in fault.message) == (code, True)


def test_no_error_of_the_engine_counts_as_internal():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, EngineError)]
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, "x")
        assert explain(error).code is not Exit.INTERNAL, kind


def test_an_internal_fault_names_its_place():
    with pytest.raises(KeyError) as caught:
        json.loads("{}")["x"]
    assert "test_faults.py:" in explain(caught.value).message
