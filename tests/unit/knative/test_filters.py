"""Filters of the tenant's broker, as Knative's Triggers have them."""

import re
from typing import Any

import pytest

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.events import Event
from intellyhub_knative.filters import check_filters, make_filters, matches

EVENT = Event(
    id="1",
    source="/shops/rome",
    type="order.created",
    subject="1042",
    data={"type": "not.looked.at"},
    extensions={"flow": "f1", "urgent": "true", "note": ""},
)

ROWS = [
    ({"exact": {"type": "order.created"}}, True),
    ({"exact": {"type": "order"}}, False),
    ({"exact": {"type": "Order.Created"}}, False),
    ({"exact": {"type": "order.created", "flow": "f1"}}, True),
    ({"exact": {"type": "order.created", "flow": "f2"}}, False),
    ({"exact": {"missing": "x"}}, False),
    ({"exact": {"flow": ""}}, True),  # present with any value
    ({"exact": {"note": ""}}, True),  # an empty one, too
    ({"exact": {"missing": ""}}, False),
    ({"exact": {"specversion": "1.0"}}, True),
    ({"exact": {"subject": 1042}}, True),
    ({"exact": {"urgent": True}}, True),
    ({"prefix": {"type": "order."}}, True),
    ({"prefix": {"type": "invoice."}}, False),
    ({"prefix": {"type": "order.", "source": "/shops/"}}, True),
    ({"prefix": {"type": "order.", "source": "/web/"}}, False),
    ({"prefix": {"missing": "x"}}, False),
    ({"suffix": {"source": "/rome"}}, True),
    ({"suffix": {"source": "/milan"}}, False),
    ({"suffix": {"missing": "x"}}, False),
    ({"any": [{"exact": {"flow": "f2"}}, {"prefix": {"type": "order."}}]}, True),
    ({"any": [{"exact": {"flow": "f2"}}, {"prefix": {"type": "invoice."}}]}, False),
    ({"all": [{"exact": {"flow": "f1"}}, {"prefix": {"type": "order."}}]}, True),
    ({"all": [{"exact": {"flow": "f1"}}, {"prefix": {"type": "invoice."}}]}, False),
    ({"not": {"exact": {"flow": "f1"}}}, False),
    ({"not": {"exact": {"flow": "f2"}}}, True),
    ({"not": {"exact": {"missing": "x"}}}, True),  # not matches when the attribute is missing
    ({"not": {"exact": {"missing": ""}}}, True),
    ({"not": {"any": [{"exact": {"flow": "f1"}}, {"exact": {"flow": "f2"}}]}}, False),
    ({"all": [{"not": {"suffix": {"source": "/milan"}}}, {"any": [{"exact": {"subject": "1042"}}]}]}, True),
]


@pytest.mark.parametrize(("one", "answer"), ROWS)
def test_a_filter_decides_as_a_trigger_does(one, answer):
    assert check_filters([one]) == []
    assert matches(EVENT, [one]) is answer


def test_all_of_a_list_must_match():
    assert matches(EVENT, [{"exact": {"flow": "f1"}}, {"prefix": {"type": "order."}}])
    assert not matches(EVENT, [{"exact": {"flow": "f1"}}, {"prefix": {"type": "invoice."}}])


def test_filter_and_filters_must_both_match():
    found = make_filters({"type": "order.created"}, [{"not": {"exact": {"flow": "f2"}}}])
    assert found == ({"exact": {"type": "order.created"}}, {"not": {"exact": {"flow": "f2"}}})
    assert matches(EVENT, found)
    assert make_filters(None, {"exact": {"type": "x"}}) == ({"exact": {"type": "x"}},)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("type = 'x'", "filters is not a list of filters"),
        ([], "filters is empty"),
        ([{}], r"filters\[0\] is not a filter such as"),
        (["x"], r"filters\[0\] is not a filter such as"),
        ([{"exact": {"type": "a"}, "prefix": {"type": "b"}}], "has several dialects"),
        ([{"exakt": {"type": "a"}}], r"filters\[0\].exakt is no dialect; there are exact, prefix"),
        ([{"cesql": "type = 'a'"}], "CESQL is not offered here"),
        ([{"exact": {}}], "names no attribute"),
        ([{"exact": "order.created"}], "names no attribute"),
        ([{"exact": {"my_ext": "a"}}], "my_ext cannot be an attribute"),
        ([{"exact": {"my-ext": "a"}}], "my-ext cannot be an attribute"),
        ([{"exact": {"Type": "a"}}], "Type cannot be an attribute"),
        ([{"exact": {"1st": "a"}}], "1st cannot be an attribute"),
        ([{"exact": {1: "a"}}], r"exact\[1\] cannot be an attribute"),
        ([{"exact": {"type": ["a"]}}], "filters.0..exact.type is not a text"),
        ([{"exact": {"type": "a" * 1001}}], "is not a text of at most 1000"),
        ([{"prefix": {"type": ""}}], "asks for any value"),
        ([{"any": []}], r"filters\[0\].any is empty"),
        ([{"all": {"exact": {"type": "a"}}}], "all is not a list"),
        ([{"not": [{"exact": {"type": "a"}}]}], r"filters\[0\].not is not a filter"),
        ([{"exact": {"type": "a"}}] * 101, "more than 100"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(written, fault):
    [told] = check_filters(written)
    assert re.search(fault, told)


def test_filters_nested_without_end_are_refused():
    nested: dict[str, Any] = {"exact": {"type": "a"}}
    for _ in range(200):
        nested = {"not": nested}
    assert "nested more than 10 deep" in check_filters([nested])[0]


def test_all_faults_are_told_at_once():
    faults = check_filters([{"exact": {"a_b": ["x"]}}, {"prefixx": {}}, {"any": [{"not": {}}]}])
    assert len(faults) == 4


def test_a_listener_without_any_filter_is_told_to_name_one():
    with pytest.raises(InputInvalid, match="needs filter, filters or both"):
        make_filters(None, None)
