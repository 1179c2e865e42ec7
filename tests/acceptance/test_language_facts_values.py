"""FLOW_LANGUAGE section 3: the value model behind everything."""

import json

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import Record, TextRecord, wrap
from tests.acceptance.facts import Fact, facts, run

PLUGIN = "state_type: wechat, corp_id: c, corp_secret: s, agent_id: 1, message: m, output: r"
RESULT = {
    "data": {"status": "ok", "items": [1]},
    "steps": [{"type": "plan", "batch": {"name": "n"}}],
    "message_id": 5,
    "error": None,
    "keys": "mine",
}


def after(name, use, answer=RESULT, **expected):
    """A state that uses what a plugin gave."""
    return Fact(
        name=f"3.{name}",
        flow=f"states:\n  a: {{{PLUGIN}, transition: b}}\n  b: {{{use}}}\n",
        answers={"wechat": answer},
        **expected,
    )


def shows(name, text, wanted, answer=RESULT):
    return after(name, "state_type: set, values: {o: " + json.dumps(text) + "}", answer, variables={"o": wanted})


def gives(name, code, wanted, answer=RESULT):
    return after(name, f'state_type: command, output: o, eval: "{code}"', answer, variables={"o": wanted})


def holds(name, condition, answer=RESULT):
    return after(name, f'state_type: assert, condition: "{condition}"', answer)


MODEL = {"response": "Negativo", "model": "m", "success": True}


def model(name, use, **expected):
    flow = (
        f"states:\n  a: {{state_type: llm_agent, prompt: p, response_key: phone_number, output: ai, "
        f"transition: b}}\n  b: {{{use}}}\n"
    )
    answer = TextRecord({**MODEL, "phone_number": "Negativo"})
    return Fact(name=f"3.4 {name}", flow=flow, answers={"llm_agent": answer}, **expected)


@facts(
    # 1 attributes, indexes, methods
    shows("1 attributes at any depth", "<{r.data.status}>", "<ok>"),
    shows("1 attributes inside lists", "<{r.steps[0].batch.name}>", "<n>"),
    shows("1 index access on the same object", "<{r['data']['status']} {r.steps[0]['batch'].name}>", "<ok n>"),
    gives("1 in blocks too", "r.steps[0].batch['name'] + r['data'].status", "nok"),
    gives("1 attributes of what a loop over a list gives", "[s.type for s in r.steps]", ["plan"]),
    gives(
        "1 dict methods",
        "(r.get('nope','?'), 'error' in r, sorted(r)[0], list(r.data.items())[0])",
        ("?", True, "data", ("status", "ok")),
    ),
    holds("1 in conditions too", "r.steps[0].type == 'plan' and r.get('nope','?') == '?' and 'error' in r"),
    gives("1 a key called like a method is found by index", "(r['keys'], r.data['items'])", ("mine", [1])),
    # 2 a missing attribute
    gives("2 hasattr tells a missing attribute", "(hasattr(r, 'status_code'), hasattr(r, 'data'))", (False, True)),
    holds("2 hasattr in conditions", "not hasattr(r, 'status_code') and hasattr(r, 'data')"),
    gives("2 getattr with a default", "getattr(r, 'status_code', 7)", 7),
    # 4 a model's answer
    model("is its text in a message", "state_type: set, values: {o: 'said {ai}'}", variables={"o": "said Negativo"}),
    model("is a record", "state_type: set, values: {o: '{ai.response} {ai.model}'}", variables={"o": "Negativo m"}),
    model("has the methods of its text in conditions", "state_type: assert, condition: \"ai.lower() == 'negativo'\""),
    model(
        "compares as its text",
        "state_type: assert, condition: \"ai == 'Negativo' and 'gat' in ai and len('{ai}') == 8\"",
    ),
    model(
        "has the methods of its text in blocks",
        "state_type: command, output: o, eval: \"ai.lower() + ai.response + f'{ai}' + str(ai)\"",
        variables={"o": "negativoNegativoNegativoNegativo"},
    ),
    model(
        "has response_key as an attribute",
        "state_type: set, values: {o: '{ai.phone_number}'}",
        variables={"o": "Negativo"},
    ),
    model("has an attribute error only when it failed", "state_type: assert, condition: \"not hasattr(ai, 'error')\""),
    model(
        "switches by its text",
        (
            "state_type: switch, value: '{ai}', cases: {Negativo: c}, default: d}\n  c: {state_type: end}\n  "
            "d: {state_type: end"
        ),
        path="a b c",
    ),
    # 5 plain dicts are wrapped and remain dicts
    gives(
        "5 results are dicts and lists to isinstance and json",
        "import json; (isinstance(r, dict), isinstance(r.steps, list), json.loads(json.dumps(r)) == r)",
        (True, True, True),
    ),
    after(
        "5 what a plugin changes becomes a record",
        "state_type: set, values: {o: '{r.a.b}'}",
        {"a": {"b": 1}},
        variables={"o": 1},
    ),
    Fact(
        name="3.5 variables of the flow and of the caller are records too",
        flow="{variables: {v: {k: [{z: 1}]}}, states: {a: {state_type: set, values: {o: '{v.k[0].z}{c.k.z}'}}}}",
        given={"c": {"k": {"z": 2}}},
        variables={"o": "12"},
    ),
    Fact(
        name="3.5 what a block assigns is a record too",
        flow=(
            "{states: {a: {state_type: command, eval: \"v = {'k': [{'z': 1}]}\", transition: b}, b: "
            "{state_type: set, values: {o: '{v.k[0].z}'}}}}"
        ),
        variables={"o": 1},
    ),
    # 7 constants
    *(
        Fact(
            name=f"3.7 {word} is a constant",
            flow=f'{{states: {{a: {{state_type: assert, condition: "{check}"}}}}}}',
            given={"x": None, "y": True, "z": False},
        )
        for word, check in {
            "True": "y == True",
            "False": "z == False",
            "None": "x is None",
            "none": "x is none",
            "null": "x is null",
            "true": "y is true",
            "false": "z is false",
        }.items()
    ),
)
def test_values(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def test_3_2_a_missing_attribute_raises_attribute_error():
    with pytest.raises(AttributeError):
        _ = Record({"a": 1}).status_code


def test_3_3_an_object_with_methods_survives_as_a_variable(tmp_path):
    flow = """
        states:
          a: {state_type: rss_reader, feed_url: u, output: rss, transition: b}
          b:
            state_type: command
            output: o
            transition: c
            eval: "[len(rss), len(rss.articles), rss[0].title, [a.title for a in rss],
              len(rss.search_articles('ai')), rss.feed_title]"
          c: {state_type: set, values: {t: "{rss.articles[0].title} {len(rss)} {rss.total_articles}"}}
    """
    from intellyhub_functions.feeds.result import RSSFeedResult

    article = {"title": "On AI", "description": "d", "link": "l", "id": "1", "tags": ["x"], "author": "a"}
    answer = RSSFeedResult(
        {"feed_title": "F", "feed_url": "u", "feed_description": "", "articles": [article], "total_articles": 1}
    )
    result = run(Fact(name="", flow=flow, answers={"rss_reader": answer}), tmp_path)
    assert result.variables["o"] == [1, 1, "On AI", ["On AI"], 1, "F"]
    assert result.variables["t"] == "On AI 1 1"


def test_3_6_the_variables_of_a_run_are_json(tmp_path):
    flow = """
        states:
          a:
            state_type: command
            transition: b
            eval: "import math; from pathlib import Path; f = open('x', 'w'); g = max; n = 1;
              d = {'k': [1]}; m = math.pi"
          b: {state_type: wechat, corp_id: c, corp_secret: s, agent_id: 1, message: m, output: r}
    """
    variables = run(Fact(name="", flow=flow, answers={"wechat": RESULT}), tmp_path).variables
    assert set(variables) == {"n", "d", "m", "r", "error_message", "error_state"} & set(variables) | {
        "n",
        "d",
        "m",
        "r",
    }
    assert json.loads(json.dumps(variables))["d"] == {"k": [1]}


def test_3_4_a_failed_model_says_its_error_when_read(tmp_path):
    flow = """
        states:
          a: {state_type: llm, prompt: p, output: ai, error_transition: b}
          b: {state_type: set, values: {o: "{error_message}"}}
    """
    result = run(Fact(name="", flow=flow, answers={"llm_agent": PermanentError("no key")}), tmp_path)
    assert result.variables["o"] == "no key"


def test_3_5_wrapping_keeps_dict_subclasses_serialisable():
    value = wrap({"a": [{"b": 1}], "t": TextRecord({"response": "x"})})
    assert isinstance(value, dict)
    assert json.loads(json.dumps(value)) == {"a": [{"b": 1}], "t": {"response": "x"}}
