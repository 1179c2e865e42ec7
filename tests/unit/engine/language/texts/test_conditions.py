"""Conditions: every published shape, the added operators, and what they mean for data."""

import ast
import marshal
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.errors import EvaluationFailed, ExpressionInvalid
from intellyhub_engine.language.expressions.codes import Code, link
from intellyhub_engine.language.texts.conditions import compile_condition
from intellyhub_engine.language.values.scope import Scope
from intellyhub_engine.language.values.values import TextRecord, wrap


def holds(text: Any, dollar_names: bool = False, /, **variables: Any) -> bool:
    answer = link(compile_condition(text, dollar_names=dollar_names))(Scope(wrap(variables)))
    assert isinstance(answer, bool)
    return answer


TEXT_RECORD = TextRecord({"response": "POSITIVO", "success": True})

HOLDING: list[tuple[str, dict[str, Any]]] = [
    ("'{t}'.startswith('/ai ')", {"t": '/ai it\'s "me"'}),
    ("'{k}' == 'voice'", {"k": "voice"}),
    ("len('{t}') > 0", {"t": "x"}),
    ("len('{t}') < 1000", {"t": None}),
    ("{r.success}", {"r": {"success": True}}),
    ("{temperature} > 30", {"temperature": "31"}),
    ("{r.code} == 40001", {"r": {"code": 40001}}),
    ("{flag} == True and {i} < {n}", {"flag": "True", "i": 1, "n": "10"}),
    ("{p.more} == True", {"p": {"more": True}}),
    ("i < len(cities)", {"i": 1, "cities": ["a", "b"]}),
    ("sentiment.strip() == 'POSITIVO'", {"sentiment": " POSITIVO\n"}),
    ("sentiment.lower() == 'positivo' and sentiment == 'POSITIVO'", {"sentiment": TEXT_RECORD}),
    ("'AI' in title or 'x' in description.lower()", {"title": "no", "description": "X"}),
    ("r['n'] == 0", {"r": {"n": 0}}),
    ("'text' in r.get('error','')", {"r": {"error": "a text"}}),
    ("{event.title} contains any {keywords}", {"event": {"title": "Automation"}, "keywords": ["ai", "AUTO"]}),
    ("x.y is not none and x.y != ''", {"x": {"y": "z"}}),
    ("x.y is not none and\n x.y != ''", {"x": {"y": "z"}}),
    ("x is None and x == null and not none", {"x": None}),
    ("true and not false", {}),
    ("title contains 'AI'", {"title": "on AI"}),
    ("tags contains 'b'", {"tags": ["a", "b"]}),
    ("title not contains 'x'", {"title": "abc"}),
    ("title contains any 'x, b'", {"title": "abc"}),
    ("title contains all ['A', 'b']", {"title": "abc"}),
    ("title contains none ['x']", {"title": "abc"}),
    ("title CONTAINS ANY ['B'] AND NOT title is empty", {"title": "abc"}),
    ("title starts with 'ab' && title ends with 'c'", {"title": "abc"}),
    ("title matches '^a.c$' || 1 > 2", {"title": "abc"}),
    ("title is empty", {"title": " "}),
    ("title is empty and not (tags is not empty)", {"title": None, "tags": []}),
    ("n is not empty", {"n": 0}),
    ("!(a) && a != b", {"a": False, "b": True}),
    ("a in ['x', 'y'] and b not in {'p', 'q'} and c in (1, 2)", {"a": "x", "b": "z", "c": 1}),
    ("status in ['200', '201']", {"status": 200}),
    ("1 < n <= 3", {"n": "3"}),
    ("any(p.price > 10 for p in items if p.stock)", {"items": [{"price": 11, "stock": 1}, {"price": 99, "stock": 0}]}),
    ("[a + b for a, b in pairs] == [3]", {"pairs": [[1, 2]]}),
    ("{k: v for k, v in r.items()} == r", {"r": {"a": 1}}),
    ("sum(x for x in n) == 6 and max(n) == 3 and sorted(n, reverse=True)[0] == 3", {"n": [1, 2, 3]}),
    (
        "t[text] == 'q' and t[key] == 'q' and cities[i] == 'b'",
        {"t": {"text": "q"}, "key": "text", "cities": "ab", "i": 1},
    ),
    ("{x|length} > 2 and {r:.1f} == '1.5' and {name|upper} == 'BO'", {"x": "abc", "r": 1.5, "name": "bo"}),
    ("{x|default('no')} == 'no'", {}),
    ("('yes' if n > 1 else 'no') == 'yes'", {"n": 2}),
    ("hasattr(r, 'a') and not hasattr(r, 'b') and getattr(r, 'b', 4) == 4", {"r": {"a": 1}}),
    ("isinstance(a, str) and isinstance(b, (int, float))", {"a": "", "b": 1}),
    ("f'{a}-{n:03d}' == 'x-007'", {"a": "x", "n": 7}),
    ("'%s: %d' % (a, n) == 'x: 7'", {"a": "x", "n": 7}),
    (
        "n + 1 == 8 and n - 1 == 6 and n * 2 == 14 and n / 2 == 3.5 and n // 2 == 3 and n % 2 == 1 and n ** 2 == 49",
        {"n": 7},
    ),
    ("n + 1 == 8", {"n": "7"}),
    ("now().year > 2000 and len(current_date) == 10", {}),
    ("'{a}{b}' == 'xy' and \"{a}\" == 'x'", {"a": "x", "b": "y"}),
    ("'{missing} {x' == '{missing} {x'", {}),
    ("{a} is {b}", {"a": "text", "b": "text"}),
    ("contains == 3 and matches.empty == 1", {"contains": 3, "matches": {"empty": 1}}),
]


@pytest.mark.parametrize(("text", "variables"), HOLDING)
def test_a_condition_holds(text: str, variables: dict[str, Any]) -> None:
    assert holds(text, **variables) is True
    assert holds(f"not ({text})", **variables) is False


@pytest.mark.parametrize(
    ("value", "holding"),
    [
        ("false", False),
        ("False", False),
        ("0", False),
        ("none", False),
        ("no", True),
        ("", False),
        (0.0, False),
        ([], False),
        ([0], True),
        (TextRecord({"response": ""}), False),
    ],
)
def test_a_value_by_itself_is_a_condition(value: Any, holding: bool) -> None:
    assert holds("{x}", x=value) is holds("x", x=value) is holding
    assert holds("x and 1 == 1", x=value) is holding
    assert holds("not x", x=value) is not holding


@pytest.mark.parametrize("value", [True, False, 1, 0, None])
def test_a_condition_that_is_no_text_is_its_own_truth(value: Any) -> None:
    assert compile_condition(value) == Code("constant", bool(value))


@pytest.mark.parametrize(
    "text", ["valid_data", "{errors_found}", "valid_data == 'x'", "valid_data.strip() == 'x' or 1 == 2"]
)
def test_an_unknown_word_is_false_and_reported(text: str) -> None:
    scope = Scope()
    try:
        assert link(compile_condition(text))(scope) is False
    except EvaluationFailed:
        assert ".strip" in text
    assert len(scope.warnings) == 1
    assert text.strip("{}")[:5] in scope.warnings[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x > 3", "None"),
        ("x.y == 3", "'y'"),
        ("r.nothing == 3", "there are a"),
        ("len(n) > 3", "no length"),
        ("t > 3", "not supported"),
        ("n / 0 > 1", "zero"),
        ("t.append(3)", "append"),
        ("l[9] == 1", "no item 9"),
        ("r contains 'a' and r starts with 'a'", "not a text"),
    ],
)
def test_a_condition_without_meaning_for_the_values_says_why(text: str, reason: str) -> None:
    with pytest.raises(EvaluationFailed, match=reason) as caught:
        holds(text, x=None, r={"a": 1}, n=1, t="word", l=[])
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("text", "offset", "suggestion"),
    [
        ("a = 3", 2, "=="),
        ("a === 3", 2, "=="),
        ("a <> 3", 2, "!="),
        ("", 0, "true"),
        ("hello world contains 'x'", 6, "quotes"),
        ("{a} > 3 and and b", 12, "quotes"),
        ("{a.b.c} contains 'x' and foo bar", 29, "quotes"),
        ("lenn(x) > 3", 0, "len"),
        ("a and frobnicate(x)", 6, "block"),
        ("a contains 'x' == true", 0, None),
        ("a is empty contains 'x'", 0, None),
        ("a.__class__", 0, None),
        ("'open", 0, "quotes"),
    ],
)
def test_a_text_that_is_no_condition_is_placed(text: str, offset: int, suggestion: str | None) -> None:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_condition(text)
    assert caught.value.offset == offset
    assert suggestion is None or suggestion in (caught.value.suggestion or "")


def test_dollar_names_are_names_in_list_form_only() -> None:
    assert holds("$a.b == 'x' and '$a.b!' == 'x!'", True, a={"b": "x"})
    with pytest.raises(ExpressionInvalid):
        compile_condition("$a == 'x'")


def test_a_condition_can_be_cached() -> None:
    code = compile_condition("{count} > 3 and status == 'ok'")
    again = Code(*marshal.loads(marshal.dumps(tuple(code))))
    assert again.names == ("count", "status")
    assert link(again)(Scope({"count": 5, "status": "ok"})) is True


DATA = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none(), st.lists(st.integers())
)


@given(DATA, DATA)
def test_values_of_one_class_compare_as_in_python(left: Any, right: Any) -> None:
    if type(left) is not type(right):
        return
    assert holds("{a} == {b}", a=left, b=right) is (left == right)
    assert holds("a != b", a=left, b=right) is (left != right)
    if isinstance(left, (int, float, str, list)):
        for sign, compare in (("<", operator.lt), ("<=", operator.le), (">", operator.gt), (">=", operator.ge)):
            assert holds(f"a {sign} b", a=left, b=right) is compare(left, right)


@pytest.mark.parametrize("constant", ["1", "1.0", "100", "2.5", "'1'", "'open'"])
@pytest.mark.parametrize("value", [1, 1.5, 150.5, True, False, "1", "1.0", "open", None, float("nan"), 2**70], ids=repr)
@pytest.mark.parametrize("left", ["{a}", "'{a}'", "'<{a}>'"])
@pytest.mark.parametrize("sign", ["==", "!=", "<", ">="])
def test_a_constant_compares_as_the_same_value_in_a_variable(sign: str, left: str, value: Any, constant: str) -> None:
    def answer(text: str) -> Any:
        try:
            return holds(text, a=value, b=ast.literal_eval(constant))
        except EvaluationFailed:
            return EvaluationFailed

    assert answer(f"{left} {sign} {constant}") is answer(f"{left} {sign} b")


@given(st.text(), st.text())
def test_quoted_placeholders_are_the_text_itself(left: str, right: str) -> None:
    assert holds("'{a}' == '{b}'", a=left, b=right) is (left == right)
    assert holds("'{a}'.startswith('{b}')", a=left, b=right) is left.startswith(right)
    assert holds("'{a}' in '{b}'", a=left, b=right) is (left in right)
    assert holds("'{a}-{b}' == x", a=left, b=right, x=f"{left}-{right}")
    assert holds("len('{a}') == n", a=left, n=len(left))
    assert holds("a contains any b", a=left, b=[right]) is (right.casefold() in left.casefold())


@given(st.integers(), st.integers())
def test_text_beside_a_number_is_the_number(left: int, right: int) -> None:
    assert holds("a < b", a=str(left), b=right) is (left < right)
    assert holds("a == b", a=left, b=f" {right} ") is (left == right)
    assert holds("a == b", a=str(left), b=str(right)) is (str(left) == str(right))


def test_a_patterns_backslashes_are_its_own() -> None:
    assert holds(r"x matches '\bAI\b \d+'", x="the AI 42")
    assert not holds(r"x matches '\bAI\b'", x="said")
    assert holds(r"x == 'a\d' and 'b\n' == y", x=r"a\d", y="b\n")
