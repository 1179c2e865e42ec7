"""Values held against JSON Schemas, which may be anybody's."""

import pytest

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.schemas import find_faults, schema_faults

ORDER = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
    },
    "required": ["items"],
}


def test_faults_are_found_all_the_way_down_each_with_its_place():
    assert find_faults(ORDER, {"items": [{"name": "a"}, {"name": 5}], "code": "b"}) == [
        "$.code: 'b' does not match '^[A-Z]+$'",
        "$.items[1].name: 5 is not of type 'string'",
    ]
    assert find_faults(ORDER, {}) == ["$: 'items' is a required property"]
    assert find_faults(ORDER, {"items": [], "code": "OK"}) == []


def test_a_few_faults_are_told_and_none_is_endless():
    told = find_faults({"items": {"type": "integer"}}, ["x" * 10_000] * 20)
    assert len(told) == 5
    assert max(map(len, told)) < 400


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "http://127.0.0.1:1/schema.json"}, {}),
        ({"type": "text"}, {}),
        ({"pattern": "^(a|aa)+$"}, "a" * 60 + "b"),
        ({"pattern": "("}, "a"),
    ],
)
def test_a_schema_that_cannot_be_used_leads_nowhere(schema, value):
    with pytest.raises(EvaluationFailed):
        find_faults(schema, value)


def test_what_is_no_schema_is_told_with_its_place():
    assert list(schema_faults({"properties": {"a": {"type": "text"}}})) == [
        "properties.a.type: 'text' is not valid under any of the given schemas"
    ]
