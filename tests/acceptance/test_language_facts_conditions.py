"""FLOW_LANGUAGE section 7: every shape of a condition, and the operators beside Python's."""

import pytest

from tests.acceptance.facts import Fact, facts

NAMES = {
    "text": '/ai it\'s "quoted" {OPENAI_API_KEY}',
    "kind": "voice",
    "empty": "",
    "nothing": None,
    "rows": ["AI", "automation"],
    "i": 1,
    "n": "5",
    "flag": True,
    "textual": "True",
    "title": "What ai does",
    "description": "Gardens and Python",
    "r": {"success": True, "errcode": 40001, "matches_count": 0, "error": "no text here", "data": {"status": "ok"}},
    "page": {"has_more": True},
    "x": {"y": None, "z": "v"},
    "event_title": "Automation on a farm",
    "temperature": "31.5",
    "ten": "10",
    "nine": "9",
    "word": "farm",
}

HOLDS = [
    # quoted placeholders
    "'{text}'.startswith('/ai ')",
    "'{text}'.startswith('/')",
    '"{text}".startswith("/ai")',
    "'{r.data.status}'.startswith('o')",
    "'{kind}' == 'voice'",
    "'{kind}' != \"text\"",
    "'x-{kind}-y' == 'x-voice-y'",
    "len('{text}') > 0",
    "len('{text}') < 1000",
    "len('{empty}') == 0",
    "'{nothing}' == ''",
    "'{text}' != ''",
    "'{OPENAI_API_KEY}' in '{text}'",
    "'{i}' == '1'",
    "'{i}' == 1",
    # bare placeholders
    "{r.success}",
    "{flag}",
    "{temperature} > 30",
    "{r.errcode} == 40001",
    "{flag} == True and {i} < {n}",
    "{page.has_more} == True",
    "{text} == '{text}'",
    "{kind} == 'voice'",
    "{textual} == True",
    "{textual} == true",
    "{textual}",
    "{rows[0]} == 'AI'",
    "{len(rows)} == 2",
    "not {empty}",
    # plain Python
    "i < len(rows)",
    "kind.strip() == 'voice'",
    "kind.upper() == 'VOICE'",
    "'ai' in title or 'x' in description.lower()",
    "'python' in description.lower()",
    "r['matches_count'] == 0",
    "'text' in r.get('error','')",
    "'errcode' in r",
    "r.get('absent', 5) == 5",
    "r.data.status == 'ok'",
    "hasattr(r, 'errcode') and not hasattr(r, 'status_code')",
    "1 < i + 1 <= 2",
    "i in [1, 2]",
    "any(row == 'AI' for row in rows)",
    "[row for row in rows if row.startswith('a')] == ['automation']",
    "isinstance(rows, list)",
    "int(n) == 5",
    "n == 5",
    "n < 10",
    "n > i",
    "temperature > 30",
    "{ten} > {nine}",
    "{ten} > 9",
    "ten > 9",
    "('a' if i else 'b') == 'a'",
    "rows[-1] == 'automation'",
    "title[:4] == 'What'",
    # words for constants
    "x.y is none",
    "x.z is not none and x.z != ''",
    "x.z is not none\nand x.z != ''",
    "x.y is None",
    "x.y is null",
    "flag is true",
    "flag == true and not false",
    "True",
    "true",
    # operators in words
    "{event_title} contains any {rows}",
    "event_title contains any rows",
    "{event_title} contains any ['x', 'AUTOMATION']",
    "{event_title} contains {word}",
    "event_title contains 'farm'",
    "rows contains 'AI'",
    "event_title contains all ['farm', 'automation']",
    "event_title not contains 'boat'",
    "not (event_title contains all ['farm', 'boat'])",
    "event_title starts with 'Auto'",
    "event_title ends with 'farm'",
    "event_title matches '^Auto.*farm$'",
    "n matches '^\\d+$'",
    "empty is empty",
    "nothing is empty",
    "rows is not empty",
    "{empty} is empty",
    "kind in ['voice', 'text']",
    "kind not in ['text']",
    "i == 1 AND n == 5",
    "i == 2 OR n == 5",
    "NOT i == 2",
    "i == 1 && n == 5",
    "i == 2 || n == 5",
    "!empty",
    "!(i == 2)",
    "flag AND NOT empty AND (i == 2 OR event_title contains 'farm')",
    # bare words
    "flag",
    "rows",
]
FAILS = [
    "'{text}'.startswith('/test')",
    "'{kind}' == 'text'",
    "{empty}",
    "{r.success} == False",
    "{temperature} > 40",
    "x.y is not none and x.y != ''",
    "event_title contains any ['x', 'y']",
    "{event_title} contains any []",
    "event_title matches 'boat'",
    "rows is empty",
    "kind starts with 'x'",
    "i == 1 AND n == 6",
    "i == 1 && n == 6",
    "False",
    "false",
    "none",
    "empty",
    "nothing",
    "''",
]


def ask(condition, tmp_path, **more):
    quoted = condition.replace("'", "''")
    flow = (
        f"states:\n  check: {{state_type: if, condition: '{quoted}', true_transition: yes, false_transition: "
        f"no}}\n  yes: {{state_type: end}}\n  no: {{state_type: end}}\n"
    )
    return Fact(name=condition, flow=flow, given=NAMES, **more).differences(tmp_path)


@pytest.mark.parametrize("condition", HOLDS)
def test_7_a_condition_that_holds(condition, tmp_path):
    assert ask(condition, tmp_path, path="check yes") == {}


@pytest.mark.parametrize("condition", FAILS)
def test_7_a_condition_that_does_not_hold(condition, tmp_path):
    assert ask(condition, tmp_path, path="check no") == {}


@pytest.mark.parametrize(
    "condition",
    [
        "valid_data",
        "errors_found",
        "tests_passed",
        "{unknown}",
        "{unknown.deep} == 5",
        "unknown > 3",
        "'{unknown}' == 'x'",
        "unknown == 'x'",
    ],
)
def test_7_unknown_names_are_false_with_a_warning(condition, tmp_path):
    assert ask(condition, tmp_path, path="check no", logged="unknown" if "unknown" in condition else condition) == {}


UNEVALUABLE = ["r.nowhere.deeper == 1", "rows[9] == 1", "int('x') == 1", "1 / 0 > 1", "kind + 1 > 2"]


@pytest.mark.parametrize("condition", UNEVALUABLE)
def test_7_what_cannot_be_evaluated_takes_the_false_branch_with_an_error_in_the_log(condition, tmp_path):
    assert ask(condition, tmp_path, path="check no", logged="condition") == {}


@facts(
    *(
        Fact(
            name=f"7 what cannot be evaluated takes the error edge: {condition}",
            flow=f"""{{states: {{check: {{state_type: if, condition: "{condition}", true_transition: y,
                false_transition: n, error_transition: e}}, y: {{state_type: end}}, n: {{state_type: end}},
                e: {{state_type: set, values: {{m: '{{error_state}}'}}}}}}}}""",
            given=NAMES,
            path="check e",
            variables={"m": "check"},
        )
        for condition in UNEVALUABLE
    ),
    Fact(
        name="7 a condition may be folded over two lines",
        flow=(
            "states:\n  a:\n    state_type: if\n    condition: >\n      x.y is not none\n      and x.y != ''\n "
            "   true_transition: y\n  y: {state_type: end}\n"
        ),
        given={"x": {"y": 1}},
        path="a y",
    ),
    Fact(
        name="7 a condition may be a truth value of YAML",
        flow="{states: {a: {state_type: if, condition: true, true_transition: y}, y: {state_type: end}}}",
        path="a y",
    ),
    Fact(
        name="7 a natural operator on event data with variables from the flow",
        flow="""
            variables: {keywords: [AI, automation, python]}
            listener: {type: rss, url: http://x}
            states:
              y: {state_type: end}
              start: {state_type: if, condition: "{event.title} contains any {keywords}", true_transition: y}
        """,
        path="start y",
    ),
    Fact(
        name="7 chat text is never code",
        flow="""{states: {a: {state_type: if, condition: "'{t}' == 'x'", true_transition: y,
            false_transition: n}, y: {state_type: end}, n: {state_type: end}}}""",
        given={"t": "' or True or '"},
        path="a n",
    ),
)
def test_7_in_a_flow(fact, tmp_path):
    assert fact.differences(tmp_path) == {}
