"""The places of sources in the journal: moved by one at a time, whole or not at all."""

import time

import pytest

from intellyhub_engine.errors import JournalError
from intellyhub_engine.journal.keeping import MAX_VALUE_BYTES
from intellyhub_engine.journal.memory import MemoryJournal
from intellyhub_engine.journal.places import Exclusive, JournalCursors, PlaceMoved
from intellyhub_engine.journal.sqlite import SqliteJournal

FLOW = "tenant/flow"


@pytest.fixture(params=["memory", "sqlite"])
def journal(request, tmp_path):
    journal = MemoryJournal(now_ns=time.time_ns) if request.param == "memory" else SqliteJournal(tmp_path / "j.db")
    yield journal
    if request.param == "sqlite":
        journal.close()


def test_a_place_is_found_again_by_who_comes_next(journal):
    cursors = JournalCursors(journal, FLOW)
    assert cursors.get("rss https://e.org") is None
    cursors.put("rss https://e.org", {"seen": ["a"]})
    cursors.put("rss https://e.org", {"seen": ["a", "é"]})
    assert JournalCursors(journal, FLOW).get("rss https://e.org") == {"seen": ["a", "é"]}
    assert JournalCursors(journal, "tenant/other").get("rss https://e.org") is None


def test_a_place_may_be_put_before_it_was_looked_for(journal):
    JournalCursors(journal, FLOW).put("k", 1)
    JournalCursors(journal, FLOW).put("k", 2)
    assert JournalCursors(journal, FLOW).get("k") == 2


def test_keys_of_any_length_are_told_apart(journal):
    cursors = JournalCursors(journal, FLOW)
    for end in ("a", "b"):
        cursors.put("u" * 3000 + end, end)
    assert [cursors.get("u" * 3000 + end) for end in ("a", "b")] == ["a", "b"]


def test_who_was_overtaken_cannot_move_the_place(journal):
    old, new = JournalCursors(journal, FLOW), JournalCursors(journal, FLOW)
    old.put("k", 1)
    assert new.get("k") == 1
    new.put("k", 2)
    with pytest.raises(PlaceMoved):
        old.put("k", 3)
    assert new.get("k") == 2
    assert old.get("k") == 2
    old.put("k", 4)
    with pytest.raises(PlaceMoved):
        new.put("k", 5)


def test_of_two_first_contacts_one_counts(journal):
    one, other = JournalCursors(journal, FLOW), JournalCursors(journal, FLOW)
    assert one.get("k") is other.get("k") is None
    one.put("k", 1)
    with pytest.raises(PlaceMoved):
        other.put("k", 2)


def test_a_large_place_is_kept_in_parts_that_go_with_it(journal):
    cursors = JournalCursors(journal, FLOW)
    large = ["é" * 100] * (3 * MAX_VALUE_BYTES // 600)
    cursors.put("k", large)
    parts = cursors._kept["k"].parts
    assert len(parts) > 1
    assert JournalCursors(journal, FLOW).get("k") == large
    cursors.put("k", 1)
    assert JournalCursors(journal, FLOW).get("k") == 1
    assert [journal.remembered(FLOW, part) for part in parts] == [None] * len(parts)


def test_a_large_place_that_was_overtaken_leaves_nothing_behind(journal):
    old, new = JournalCursors(journal, FLOW), JournalCursors(journal, FLOW)
    old.put("k", 1)
    new.get("k")
    new.put("k", 2)
    written = []
    remember = journal.remember

    def note_and_remember(flow, key, value, **more):
        written.append(key)
        return remember(flow, key, value, **more)

    journal.remember = note_and_remember
    with pytest.raises(PlaceMoved):
        old.put("k", "x" * 500_000)
    assert [journal.remembered(FLOW, key) for key in set(written) if key.count(" ") > 2] == [None] * 3


def test_a_place_of_which_a_part_is_missing_is_not_taken_for_no_place(journal):
    cursors = JournalCursors(journal, FLOW)
    cursors.put("k", "x" * 500_000)
    journal.remember(FLOW, cursors._kept["k"].parts[1], None)
    with pytest.raises(JournalError, match="not complete"):
        JournalCursors(journal, FLOW).get("k")


def second(number):
    return number * 1_000_000_000


def exclusive(journal, owner):
    return Exclusive(journal, FLOW, "listening", owner=owner, seconds=10)


def test_one_at_a_time_has_the_right_to_listen(journal):
    old, new = exclusive(journal, "old"), exclusive(journal, "new")
    assert old.take(second(0))
    assert not new.take(second(9))
    assert old.take(second(9))
    assert not new.take(second(18))
    old.release()
    assert new.take(second(18))
    old.release()
    assert not old.take(second(19))


def test_a_right_that_is_not_renewed_ends(journal):
    old, new = exclusive(journal, "old"), exclusive(journal, "new")
    assert old.take(second(0))
    assert new.take(second(11))
    assert not old.take(second(12))
    old.release()
    assert new.take(second(13))
