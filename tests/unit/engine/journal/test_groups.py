"""Group commit: who leads, who rides along, and what an interrupted or failed commit leaves."""

import threading

import pytest

from intellyhub_engine.errors import JournalFull
from intellyhub_engine.journal.groups import GroupCommit, Write


class Recorder:
    """A committer that keeps its batches and can be held up."""

    def __init__(self):
        self.batches = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.faults = []

    def __call__(self, batch):
        self.entered.set()
        assert self.go.wait(10)
        self.batches.append([write.size for write in batch])
        if self.faults:
            raise self.faults.pop()
        for write in batch:
            write.done = True


@pytest.fixture
def committer():
    return Recorder()


@pytest.fixture
def commits(committer):
    return GroupCommit(committer, max_riding_bytes=100)


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def queued(commits, count):
    """Wait until so many writes stand in the queue."""
    while len(commits._queue) < count:
        threading.Event().wait(0.001)


def test_a_lone_writer_commits_at_once_in_its_own_thread(commits, committer):
    commits.submit(Write(durable=True, size=1))
    assert committer.batches == [[1]]


def test_a_write_that_nobody_waits_for_rides_with_the_next_one(commits, committer):
    commits.submit(Write(durable=False, size=1))
    commits.submit(Write(durable=False, size=2))
    assert committer.batches == []
    commits.submit(Write(durable=True, size=3))
    assert committer.batches == [[1, 2, 3]]


def test_too_much_riding_is_committed(commits, committer):
    commits.submit(Write(durable=False, size=60))
    commits.submit(Write(durable=False, size=60))
    assert committer.batches == [[60, 60]]


def test_flush_commits_what_rides_and_nothing_when_nothing_does(commits, committer):
    commits.flush()
    assert committer.batches == []
    commits.submit(Write(durable=False, size=5))
    commits.flush()
    assert committer.batches == [[5, 0]]


def test_writers_that_come_during_a_commit_share_the_next_one(commits, committer):
    committer.go.clear()
    leader = in_thread(lambda: commits.submit(Write(durable=True, size=1)))
    assert committer.entered.wait(10)
    followers = []
    for size in range(2, 10):
        followers.append(in_thread(lambda size=size: commits.submit(Write(durable=True, size=size))))
        queued(commits, size - 1)
    committer.go.set()
    for thread in [leader, *followers]:
        thread.join(10)
        assert not thread.is_alive()
    assert committer.batches == [[1], list(range(2, 10))]


def test_every_writer_learns_its_own_fault(committer):
    def commit(batch):
        committer(batch)
        for write in batch:
            if write.size == 2:
                write.fault = JournalFull("no room")

    commits = GroupCommit(commit, max_riding_bytes=100)
    commits.submit(Write(durable=True, size=1))
    with pytest.raises(JournalFull):
        commits.submit(Write(durable=True, size=2))
    commits.submit(Write(durable=True, size=3))


def test_what_was_left_undone_comes_first_in_the_next_batch(committer):
    def commit(batch):
        committer.batches.append([write.size for write in batch])
        for write in batch:
            write.done = write.durable or len(committer.batches) > 1

    commits = GroupCommit(commit, max_riding_bytes=100)
    commits.submit(Write(durable=False, size=1))
    commits.submit(Write(durable=True, size=2))
    commits.submit(Write(durable=False, size=3))
    commits.submit(Write(durable=True, size=4))
    assert committer.batches == [[1, 2], [1, 3, 4]]


def test_an_interrupted_leader_leaves_its_followers_to_the_next_one(commits, committer):
    committer.go.clear()
    committer.faults = [KeyboardInterrupt()]
    interrupted = []

    def lead():
        try:
            commits.submit(Write(durable=True, size=1))
        except KeyboardInterrupt:
            interrupted.append(True)

    leader = in_thread(lead)
    assert committer.entered.wait(10)
    follower = in_thread(lambda: commits.submit(Write(durable=True, size=2)))
    queued(commits, 1)
    committer.go.set()
    leader.join(10)
    follower.join(10)
    assert not follower.is_alive()
    assert (interrupted, committer.batches) == ([True], [[1], [2]])


def test_a_thousand_writes_of_many_threads_are_each_committed_once(commits, committer):
    def work(number):
        for step in range(50):
            commits.submit(Write(durable=step % 2 == 1, size=number))

    threads = [in_thread(lambda number=number: work(number)) for number in range(20)]
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    commits.flush()
    sizes = [size for batch in committer.batches for size in batch]
    assert [sizes.count(number) for number in range(1, 20)] == [50] * 19
