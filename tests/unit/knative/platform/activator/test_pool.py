"""The children that wait."""

import os
import socket
from contextlib import ExitStack

import pytest

from intellyhub_knative.platform.activator.parent import Child
from intellyhub_knative.platform.activator.pool import Pool, Readiness


@pytest.fixture
def make_child():
    with ExitStack() as ends:

        def make(pid):
            ours, theirs = socket.socketpair()
            child = Child(pid, ours, os.pidfd_open(os.getpid()))
            ends.callback(child.close)
            ends.enter_context(theirs)
            return child

        yield make


def take_all(pool):
    """The numbers of all children, in the order in which they are taken."""
    return [child.pid for child in iter(pool.take, None)]


def test_nobody_waits_at_first():
    assert Pool().take() is None
    assert Pool().counts() == {"preparing": 0, "bare": 0, "spare": 0}


def test_a_spare_is_taken_before_a_bare_child_and_that_before_one_that_is_busy(make_child):
    pool = Pool()
    for pid, readiness in ((1, Readiness.PREPARING), (2, Readiness.BARE), (3, Readiness.SPARE)):
        pool.add(make_child(pid), readiness)
    assert take_all(pool) == [3, 2, 1]


def test_the_oldest_of_equals_is_taken(make_child):
    pool = Pool()
    for pid in (7, 5, 6):
        pool.add(make_child(pid))
    assert take_all(pool) == [7, 5, 6]


def test_one_that_gets_further_is_counted_once(make_child):
    pool = Pool()
    child = make_child(4)
    for readiness in (Readiness.BARE, Readiness.PREPARING, Readiness.SPARE):
        pool.add(child, readiness)
    assert pool.counts() == {"preparing": 0, "bare": 0, "spare": 1}


def test_one_that_ended_is_gone(make_child):
    pool = Pool()
    pool.add(make_child(4))
    pool.remove(4)
    assert pool.remove(4) is None
    assert pool.find(Readiness.BARE) is None
