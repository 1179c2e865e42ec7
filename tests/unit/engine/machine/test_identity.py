"""Run ids."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.machine.identity import make_child_id, make_run_id

NOW_NS = st.integers(0, 2**48 * 1_000_000 - 1)
NOISE = st.binary(min_size=10, max_size=10)


@given(NOW_NS, NOISE)
def test_an_id_is_a_uuid_of_version_7_with_its_time(now_ns, noise):
    made = UUID(make_run_id(now_ns, noise))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == now_ns // 1_000_000


@given(NOW_NS, NOW_NS, NOISE, NOISE)
def test_ids_sort_by_time(one, other, noise, more):
    if one // 1_000_000 < other // 1_000_000:
        assert make_run_id(one, noise) < make_run_id(other, more)


def test_noise_makes_ids_differ():
    assert make_run_id(1, b"0123456789") != make_run_id(1, b"9876543210")


def test_a_childs_id_tells_its_parent_step_and_key():
    assert make_child_id("r", 3, "a") == "r.3.a"
