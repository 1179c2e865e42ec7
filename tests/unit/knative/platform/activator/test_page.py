"""What a worker says about itself, and what is made of nonsense."""

import mmap
import os
import struct

from intellyhub_knative.platform.activator.page import Page, State, Vitals, make_page


def make_pages():
    descriptor = make_page()
    return Page(os.dup(descriptor)), Page(descriptor)


def test_what_the_worker_writes_the_activator_reads():
    ours, workers = make_pages()
    assert ours.read() == Vitals(State.STARTING, 0, 0, None)
    workers.write_state(State.SERVING)
    workers.write_taken(2)
    workers.write_requests(7)
    workers.write_since(12.5)
    assert ours.read() == Vitals(State.SERVING, 2, 7, 12.5)
    workers.write_since(None)
    assert ours.read().since is None


def test_a_page_full_of_nonsense_is_read_as_a_worker_that_is_ending():
    descriptor = make_page()
    with mmap.mmap(descriptor, mmap.PAGESIZE) as memory:
        memory[:32] = struct.pack("@QQQd", 2**63, 2**63, 2**63, float("nan"))
        vitals = Page(descriptor).read()
    assert vitals.state is State.ENDING
    assert vitals.since is None
