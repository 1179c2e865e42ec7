"""Conditions and texts that would keep a worker busy for hours, with values an event can bring."""

import time

import pytest

from intellyhub_engine.errors import EvaluationFailed
from intellyhub_engine.language.expressions.codes import link
from intellyhub_engine.language.texts.conditions import compile_condition
from intellyhub_engine.language.texts.templates import compile_template
from intellyhub_engine.language.values.scope import Scope

NUMBERS = list(range(100_000))
VALUES = {
    "numbers": NUMBERS,
    "others": list(NUMBERS),
    "nested": [NUMBERS],
    "same": [list(NUMBERS)],
    "text": "a" * 4_000_000,
    "words": [f"x{number}" for number in range(60_000)],
}


@pytest.mark.parametrize(
    "condition",
    [
        "len([x for x in numbers if x in others]) > 0",
        "len([x for x in range(100000) if numbers == others]) > 0",
        "len([x for x in range(100000) if nested == same]) > 0",
        "len([x for x in range(100000) if 1 < len(text) and 'zz' in text]) > 0",
        "len([x for x in range(100000) if text contains 'zz']) > 0",
        "len([tojson(numbers) for x in range(100000)]) > 0",
        "len([text|reverse for x in range(100000)]) > 0",
        "len([text|urlencode for x in range(100000)]) > 0",
        "len([text|escape for x in range(100000)]) > 0",
        "len([numbers|string for x in range(100000)]) > 0",
        "len(numbers|select('in', others)|list) > 0",
        "text contains any words",
        "words contains all words",
    ],
)
def test_a_condition_gives_up_in_time(condition):
    began = time.perf_counter()
    with pytest.raises(EvaluationFailed):
        link(compile_condition(condition))(Scope(VALUES))
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize("test", ["'zz' in text", "numbers == others", "99999999 in numbers"])
def test_a_jinja_text_gives_up_in_time(test):
    source = "{% for a in range(100000) %}{% if TEST %}x{% endif %}{% endfor %}".replace("TEST", test)
    began = time.perf_counter()
    with pytest.raises(EvaluationFailed):
        link(compile_template(source))(Scope(VALUES))
    assert time.perf_counter() - began < 10


def test_ordinary_lists_are_compared_as_ever():
    scope = Scope(
        {"a": list(range(1_000)), "b": list(range(500, 1_500)), "text": "News about AI", "tags": ["ai", "ml"]}
    )
    assert link(compile_condition("len([x for x in a if x in b]) == 500 and text contains any tags"))(scope)
