"""FLOW_LANGUAGE sections 1 and 2: the document, and what any state may carry."""

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.load import examine
from tests.acceptance.facts import Fact, codes_of, facts

FAILS = "state_type: assert, condition: 'False', message: boom"


@facts(
    # 1.1 top-level keys
    Fact(
        name="1.1 every top-level key is accepted, in any order",
        flow="""
            variables: {a: 1, b: 1.5, c: true, d: [x], e: [{k: v}], f: ''}
            listener: {type: webhook}
            max_steps: 5
            logging: {level: DEBUG, handlers: [console, file]}
            dependencies: ["rss-listener>=1.0.0"]
            description: d
            states: {one: {state_type: end}}
            start_state: one
            name: Perché no
        """,
        codes="",
        variables={"a": 1, "b": 1.5, "c": True, "d": ["x"], "e": [{"k": "v"}], "f": ""},
    ),
    Fact(
        name="1.1 an unknown top-level key is a warning",
        flow="{version: 1, states: {a: {state_type: end}}}",
        codes="unknown-key",
    ),
    Fact(
        name="1.1 a variable that names itself is taken from the environment",
        flow="{variables: {X: '{X}'}, states: {a: {state_type: set, values: {y: '{X}!'}}}}",
        outer={"X": "outside"},
        variables={"y": "outside!", "X": "outside"},
    ),
    Fact(
        name="1.1 the limit is 100 steps unless said",
        flow="""
            variables: {i: 0}
            states:
              a: {state_type: command, eval: i += 1, transition: b}
              b: {state_type: if, condition: i < 51, true_transition: a, false_transition: end}
        """,
        status="failed",
        error="100",
    ),
    Fact(
        name="1.1 max_steps changes the limit",
        flow=(
            "{max_steps: 2, states: {a: {state_type: set, values: {x: 1}, transition: b}, b: {state_type: if, "
            "condition: 'x==1', true_transition: a}}}"
        ),
        status="failed",
        error="2",
    ),
    # 1.3 the list dialect
    Fact(
        name="1.3 list states run in order and the last ends",
        flow="{states: [{name: a, type: set, values: {x: 1}}, {name: b, type: set, values: {y: 2}}]}",
        path="a b",
        variables={"x": 1, "y": 2},
    ),
    Fact(
        name="1.3 a missing name gets a generated one",
        flow="{states: [{type: set, values: {x: 1}}, {type: set, values: {y: 2}}]}",
        variables={"x": 1, "y": 2},
    ),
    Fact(
        name="1.3 then and else are inline sequences that come back",
        flow="""
            states:
              - {name: check, type: if, condition: "1 == 1",
                 then: [{type: set, values: {x: 1}}, {type: set, values: {y: 2}}],
                 else: [{type: set, values: {x: 9}}]}
              - {name: after, type: set, values: {z: "$x-$y"}}
        """,
        variables={"x": 1, "y": 2, "z": "1-2"},
    ),
    Fact(
        name="1.3 branches stand under parallel",
        flow="""
            states:
              - {name: fan, type: parallel, output: o,
                 branches: [{type: set, values: {x: 1}}, {type: set, values: {x: 2}}]}
              - {name: after, type: set, values: {z: 1}}
        """,
        path="fan after",
    ),
    Fact(
        name="1.3 a case may be a whole body",
        flow="""
            variables: {k: b}
            states:
              - {name: route, type: switch, variable: k, cases: {a: {type: set, values: {x: 1}},
                 b: {type: set, values: {x: 2}}}}
              - {name: after, type: set, values: {z: "$x"}}
        """,
        variables={"x": 2, "z": 2},
    ),
    Fact(
        name="1.3 list states may jump with a transition",
        flow=(
            "{states: [{name: a, type: set, values: {x: 1}, transition: c}, {name: b, type: set, values: {y: "
            "2}}, {name: c, type: set, values: {z: 2}}]}"
        ),
        path="a c",
    ),
    # 1.4 where a run starts
    Fact(
        name="1.4 start_state wins",
        flow="{start_state: b, states: {start: {state_type: end}, b: {state_type: end}}}",
        path="b",
    ),
    Fact(
        name="1.4 then the state called start",
        flow="{states: {a: {state_type: end}, start: {state_type: end}}}",
        path="start",
    ),
    Fact(name="1.4 then the first", flow="{states: {b: {state_type: end}, a: {state_type: end}}}", path="b"),
    Fact(
        name="1.4 a start state that does not exist falls back to the first",
        flow="{start_state: nowhere, states: {b: {state_type: end}, a: {state_type: end}}}",
        path="b",
        codes="unknown-start",
    ),
    # 1.5 where a run ends
    Fact(name="1.5 a start state of type end ends", flow="{states: {a: {state_type: end}}}", path="a"),
    Fact(
        name="1.5 end is predefined",
        flow="{states: {a: {state_type: set, values: {x: 1}, transition: end}}}",
        path="a end",
        codes="",
    ),
    Fact(
        name="1.5 a state without transition ends",
        flow="{states: {a: {state_type: set, values: {x: 1}}, b: {state_type: end}}}",
        path="a",
    ),
    Fact(
        name="1.5 an undefined error target ends the run as failed",
        flow=f"{{states: {{a: {{{FAILS}, error_transition: error}}}}}}",
        path="a",
        status="failed",
        error="boom",
        codes="",
    ),
    Fact(
        name="1.5 going to an undefined error on success fails too",
        flow="{states: {a: {state_type: set, values: {x: 1}, transition: error}}}",
        path="a",
        status="failed",
    ),
    Fact(
        name="1.5 any other undefined target fails with a message and is a warning",
        flow="{states: {a: {state_type: set, values: {x: 1}, transition: nowhere}}}",
        path="a",
        status="failed",
        error="nowhere",
        codes="unknown-target",
    ),
    Fact(
        name="1.5 a failed telegram-bot goes to the state error when the flow has one",
        flow=(
            "{states: {a: {state_type: telegram-bot, bot_token: t, chat_id: 1, message: m, transition: b}, b: "
            "{state_type: end}, error: {state_type: set, values: {seen: '{error_message}'}}}}"
        ),
        answers={"telegram-bot": PermanentError("no such chat")},
        path="a error",
        variables={"seen": "no such chat"},
    ),
    # 1.6 YAML
    Fact(
        name="1.6 a plain scalar with a colon is quoted with a warning",
        flow='states:\n  a:\n    state_type: command\n    command: echo "Topic $t: $p"\n    output: o\n',
        given={"t": "T", "p": "P"},
        variables={"o": {"stdout": "Topic T: P", "stderr": "", "returncode": 0, "success": True}},
        codes="repaired",
    ),
    Fact(
        name="1.6 a repeated key is taken last with a warning",
        flow="variables: {x: 1, x: 2}\nstates: {a: {state_type: end}}",
        variables={"x": 2},
        codes="duplicate-key",
    ),
    Fact(
        name="1.6 an escaped backslash stays one",
        flow='states: {a: {state_type: set, values: {x: "a\\\\nb"}}}',
        variables={"x": "a\\nb"},
    ),
    Fact(
        name="1.6 in eval code the escape is Python's",
        flow="states: {a: {state_type: command, eval: \"x = 'a\\\\nb'\"}}",
        variables={"x": "a\nb"},
    ),
)
def test_documents(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def test_a_text_indented_below_its_name_is_refused_at_line_two():
    flow, problems = examine("name: broken\n  states:\n    a:\n      state_type: end\n", installed())
    assert flow is None
    assert problems[0].position is not None
    assert problems[0].position.line == 2


@pytest.mark.parametrize("written", ["telegram-bot", "Telegram-Bot", "telegram_bot", "TELEGRAM"])
def test_2_types_compare_without_case_dash_and_underscore(written):
    flow = f"{{states: {{a: {{state_type: {written}, bot_token: t, chat_id: 1, message: m}}}}}}"
    assert codes_of(flow) == []


@facts(
    Fact(
        name="2 success_transition wins over transition",
        flow=(
            "{states: {a: {state_type: set, values: {x: 1}, transition: b, success_transition: c}, b: "
            "{state_type: end}, c: {state_type: end}}}"
        ),
        path="a c",
    ),
    Fact(
        name="2 error_transition is taken on failure with error_message and error_state",
        flow=(
            f"{{states: {{a: {{{FAILS}, transition: b, error_transition: c}}, b: {{state_type: end}}, c: "
            f"{{state_type: set, values: {{m: '{{error_message}}', s: '{{error_state}}'}}}}}}}}"
        ),
        path="a c",
        variables={"m": "boom", "s": "a"},
    ),
    Fact(
        name="2 without a failure error_message is empty text",
        flow="{states: {a: {state_type: set, values: {m: '<{error_message}>', s: '<{error_state}>'}}}}",
        variables={"m": "<>", "s": "<>"},
    ),
    Fact(
        name="2 an error_message is there after the handler too",
        flow=(
            f"{{states: {{a: {{{FAILS}, error_transition: b}}, b: {{state_type: set, values: {{x: 1}}, "
            f"transition: c}}, c: {{state_type: set, values: {{m: '{{error_message}}'}}}}}}}}"
        ),
        variables={"m": "boom"},
    ),
    Fact(
        name="2 warning_transition is accepted",
        flow=(
            "{states: {a: {state_type: set, values: {x: 1}, transition: b, warning_transition: c}, b: "
            "{state_type: end}, c: {state_type: end}}}"
        ),
        path="a b",
        codes="",
    ),
    Fact(
        name="2 output names the result",
        flow=(
            "{states: {a: {state_type: wechat, corp_id: c, corp_secret: s, agent_id: 1, message: m, output: r, "
            "transition: b}, b: {state_type: set, values: {x: '{r.errcode}'}}}}"
        ),
        answers={"wechat": {"errcode": 0}},
        variables={"r": {"errcode": 0}, "x": 0},
    ),
    Fact(
        name="2 output as a mapping picks fields",
        flow=(
            "{states: {a: {state_type: wechat, corp_id: c, corp_secret: s, agent_id: 1, message: m, output: "
            "{code: errcode}}}}"
        ),
        answers={"wechat": {"errcode": 7}},
        variables={"code": 7},
    ),
    Fact(
        name="2 output_variable and output name a reader's articles",
        flow=(
            "{states: {a: {state_type: rss_reader, feed_url: 'http://x', output_variable: o, transition: b}, "
            "b: {state_type: rss_reader, url: 'http://x', output: p, transition: c}, c: {state_type: rss, "
            "feed_url: 'http://x'}}}"
        ),
        answers={"rss_reader": {"n": 1}},
        codes="",
        path="a b c",
    ),
    Fact(
        name="2 response_key names a result of its own for a language model",
        flow="{states: {a: {state_type: llm_agent, prompt: p, response_key: phone, output: r}}}",
        answers={"llm_agent": {"response": "42"}},
        path="a",
    ),
    Fact(
        name="2 log text sees the state's own result",
        flow=(
            "{states: {a: {state_type: wechat, corp_id: c, corp_secret: s, agent_id: 1, message: m, output: r, "
            "log: 'found {len(r.rows)} in {r.name}'}}}"
        ),
        answers={"wechat": {"rows": [1, 2], "name": "n"}},
        log=("found 2 in n",),
    ),
    Fact(
        name="2 log as mapping with a level",
        flow="{states: {a: {state_type: set, values: {x: 1}, log: {message: 'x={x}', level: WARNING}}}}",
        log=("x=1",),
    ),
    Fact(
        name="2 log about error_message is skipped on success",
        flow="{states: {a: {state_type: set, values: {x: 1}, log: {message: 'bad {error_message}', level: error}}}}",
        log=(),
    ),
    Fact(
        name="2 log about error_message is written on failure",
        flow=(
            f"{{states: {{a: {{{FAILS}, log: {{message: 'bad {{error_message}}', level: error}}, "
            f"error_transition: end}}}}}}"
        ),
        logged="bad boom",
    ),
    Fact(
        name="2 log and verbose are accepted on if and end",
        flow=(
            "{variables: {x: 1}, states: {a: {state_type: if, condition: x == 1, true_transition: b, log: "
            "'asked {x}'}, b: {state_type: end, log: over}}}"
        ),
        log=("asked 1", "over"),
    ),
    Fact(
        name="2 verbose is accepted on a language model",
        flow="{states: {a: {state_type: llm_agent, prompt: p, verbose: true}}}",
        answers={"llm_agent": {"response": "42"}},
        codes="",
    ),
)
def test_any_state(fact, tmp_path):
    assert fact.differences(tmp_path) == {}
