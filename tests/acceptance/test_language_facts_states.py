"""FLOW_LANGUAGE sections 4.1 to 4.8: every spelling of the states."""

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.language.values.values import TextRecord
from tests.acceptance.facts import Fact, codes_of, facts

SETS = "yes: {{state_type: set, values: {{x: 1}}}}, no: {{state_type: set, values: {{x: 2}}}}"


def branch(spelling, condition, path, **more):
    flow = f"{{states: {{check: {{state_type: if, condition: '{condition}', {spelling}}}, {SETS.format()}}}}}"
    return Fact(name=f"4.2 {spelling} when {condition}", flow=flow, path=path, codes=None, **more)


TRUE = ["true_transition", "transition_true", "true_state", "on_true", "then"]
FALSE = ["false_transition", "transition_false", "false_state", "on_false", "else"]


@facts(
    *(branch(f"{t}: yes, {f}: no", "1 < 2", "check yes") for t, f in zip(TRUE, FALSE, strict=True)),
    *(branch(f"{t}: yes, {f}: no", "1 > 2", "check no") for t, f in zip(TRUE, FALSE, strict=True)),
    branch("true_transition: yes, transition: no", "1 > 2", "check no"),
    branch("true_transition: yes, transition: no", "1 < 2", "check yes"),
    branch("false_transition: no, transition: yes", "1 < 2", "check yes"),
    branch("true_transition: yes", "1 > 2", "check"),
    branch("false_transition: no", "1 < 2", "check"),
    branch(
        "then: [{type: set, values: {x: 3}}, {type: set, values: {x: 4}}]", "1 < 2", "check check/then/0 check/then/1"
    ),
    branch("then: {type: set, values: {x: 3}}, else: {type: set, values: {x: 4}}", "1 > 2", "check check/else"),
    Fact(
        name="4.2 in list form a missing branch goes to the next element",
        flow=(
            "{states: [{name: a, type: if, condition: 1 > 2, then: [{type: set, values: {x: 1}}]}, {name: b, "
            "type: set, values: {y: 1}}]}"
        ),
        path="a b",
    ),
    Fact(
        name="4.2 in list form an if without branches falls through",
        flow="{states: [{name: a, type: if, condition: 1 < 2}, {name: b, type: set, values: {y: 1}}]}",
        path="a b",
    ),
)
def test_if(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def switch(subject, cases, path, name="", **given):
    flow = (
        f"{{states: {{route: {{state_type: switch, {subject}, {cases}}}, a: {{state_type: end}}, b: "
        f"{{state_type: end}}, c: {{state_type: end}}}}}}"
    )
    return Fact(name=f"4.3 {name or subject + ' with ' + cases}", flow=flow, path=path, given=given)


@facts(
    switch("value: '{k}'", "cases: {/start: a, /help: b}, default: c", "route b", k="/help"),
    switch(
        "value: '{k}'", "cases: {/start: a, /help: b}, default: c", "route c", "the default takes the rest", k="/other"
    ),
    switch("value: '{k}'", "cases: {/start: a, /help: b}, default_transition: c", "route c", k="/other"),
    switch("value: '{k}'", "cases: {/start: a}, transition: c", "route c", k="/other"),
    switch("value: '{k}'", "cases: {/start: a}", "route", k="/other"),
    switch(
        "variable: '{k}'", "cases: {x: {transition: a}, y: {transition: b}}, default_transition: c", "route b", k="y"
    ),
    switch("variable: k", "cases: {x: a, y: b}", "route b", k="y"),
    switch("variable: k", "cases: {1: a, 2: b}", "route b", "numeric keys compare as text", k=2),
    switch("variable: k", "cases: {1: a, 2: b}", "route b", "numeric keys and text compare as text", k="2"),
    switch("variable: k", "cases: {true: a, false: b}", "route b", "truth values compare as text", k=False),
    switch("value: '{k}'", "cases: {'http://x/y': a}", "route a", "a URL as key", k="http://x/y"),
    switch("value: '{k.status}'", "cases: {completed: a}", "route a", k={"status": "completed"}),
    switch("variable: k", "cases: {x: {type: shell, command: 'true'}}", "route route/case/x", k="x"),
    switch("variable: k", "cases: [{value: x, transition: a}, {value: y, transition: b}]", "route b", k="y"),
)
def test_switch(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


def test_4_3_without_a_subject_the_event_decides(tmp_path):
    flow = "{states: [{name: r, type: switch, cases: {test.event: {type: set, values: {x: 1}}}}]}"
    assert Fact(name="", flow=flow, data={}, variables={"x": 1}).differences(tmp_path) == {}


def command(body, value="hi", name=""):
    return Fact(
        name=f"4.1 {name or body}",
        flow=(
            f"states:\n  a: {{state_type: command, output: o, {body}, transition: b}}\n  b: {{state_type: set, "
            f"values: {{t: '<{{o}}>'}}}}"
        ),
        variables={"t": f"<{value}>"},
        given={"x": "hi"},
    )


@facts(
    command("action: {eval: \"'h' + 'i'\"}"),
    command("action: {python: \"'h' + 'i'\"}"),
    command("action: {shell: echo hi}"),
    command("action: {command: echo hi}"),
    command("eval: \"'h' + 'i'\""),
    command("python: \"'h' + 'i'\""),
    command("command: echo hi"),
    command("cmd: echo hi"),
    command("shell: echo hi"),
    command("run: echo hi"),
    command("action: shell, command: echo hi"),
    command("action: shell, run: echo hi"),
    command("action: shell, cmd: echo hi"),
    command("action: eval, code: \"'h' + 'i'\""),
    command("action: python, code: \"'h' + 'i'\""),
    command("action: eval, eval: \"'h' + 'i'\""),
    command("action: command, command: echo hi"),
    command("command: 'echo {x}'"),
    command("command: 'echo $x'"),
    command("command: 'echo ${x}'"),
    command(
        'command: "echo \'{\\"a\\": {\\"b\\": \\"{x}\\"}}\'"',
        '{"a": {"b": "hi"}}',
        "only innermost braces that resolve are touched",
    ),
    command('cmd: "y=hi\\necho $y"', name="cmd may be a script of several lines"),
    Fact(
        name="4.1 a shell result is its stdout as text, with stdout, stderr and returncode",
        flow=(
            "{states: {a: {state_type: command, command: 'echo out; echo err >&2', output: o, transition: b}, "
            "b: {state_type: set, values: {t: '{o}|{o.stdout}|{o.stderr}|{o.returncode}'}}}}"
        ),
        variables={"t": "out|out|err|0"},
    ),
    Fact(
        name="4.1 a non-zero exit takes the error edge",
        flow=(
            "{states: {a: {state_type: command, command: 'exit 3', transition: b, error_transition: c}, b: "
            "{state_type: end}, c: {state_type: end}}}"
        ),
        path="a c",
    ),
    Fact(
        name="4.1 a non-zero exit without an error edge goes on, with a line in the log",
        flow=(
            "{states: {a: {state_type: command, command: 'exit 3', output: o, transition: b}, b: {state_type: "
            "set, values: {code: '{o.returncode}'}}}}"
        ),
        path="a b",
        variables={"code": 3},
        logged="3",
    ),
    Fact(
        name="4.1 scalar variables are in the environment of a shell line",
        flow=(
            "{states: {a: {state_type: command, command: 'printenv x', output: o, transition: b}, b: "
            "{state_type: set, values: {t: '{o}'}}}}"
        ),
        given={"x": "it's $HOME"},
        variables={"t": "it's $HOME"},
    ),
    Fact(
        name="4.1 a placeholder in a shell line is data, never shell",
        flow=(
            "{states: {a: {state_type: command, command: 'echo {x}', output: o, transition: b}, b: "
            "{state_type: set, values: {t: '{o}'}}}}"
        ),
        given={"x": "$(id); `id` ' \" |"},
        variables={"t": "$(id); `id` ' \" |"},
    ),
    Fact(
        name="4.1 eval without output still runs",
        flow="{states: {a: {state_type: command, eval: y = 2}}}",
        variables={"y": 2},
    ),
)
def test_command(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@pytest.mark.parametrize(
    "body",
    [
        "action: {http: {url: 'http://x/', method: POST, json: {a: 1}}}",
        "action: {http: 'http://x/'}",
        "action: http, url: 'http://x/', method: GET",
        "http: {url: 'http://x/'}",
        "action: {mqtt: {host: h, topic: t, payload: p}}",
        "action: mqtt, host: h, topic: t, payload: p",
        "action: {email: {subject: s, body: b}}",
        "action: email, subject: s, body: b",
        "action: {email: {subject: s, body: '{% for a in rows %}{{ a }}{% endfor %}'}}",
    ],
)
def test_4_1_kinds_that_reach_out_are_read_in_every_spelling(body):
    assert codes_of(f"{{variables: {{rows: []}}, states: {{a: {{state_type: command, {body}}}}}}}") == []


@facts(
    Fact(
        name="4.5 action write and read",
        flow=(
            "{states: {a: {state_type: file, action: write, path: 'd/e/{n}.txt', content: 'c {n}', transition: "
            "b}, b: {state_type: file, action: read, path: 'd/e/{n}.txt', output: o}}}"
        ),
        given={"n": "x"},
        files={"d/e/x.txt": "c x"},
        variables={"o": "c x"},
    ),
    Fact(
        name="4.5 operation append",
        flow=(
            "{states: {a: {state_type: file, operation: append, path: l.txt, content: one, transition: b}, b: "
            "{state_type: file, operation: append, path: l.txt, content: two}}}"
        ),
        files={"l.txt": "onetwo"},
    ),
    Fact(
        name="4.5 move and delete",
        flow=(
            "{states: {a: {state_type: file, action: write, path: l.txt, content: one, transition: b}, b: "
            "{state_type: file, action: move, path: l.txt, destination: m/n.txt, transition: c}, c: "
            "{state_type: file, operation: write, path: z.txt, content: z, transition: d}, d: {state_type: "
            "file, action: delete, path: z.txt, transition: e}, e: {state_type: file, action: exists, path: "
            "z.txt, output: there}}}"
        ),
        files={"m/n.txt": "one"},
        variables={"there": False},
    ),
    Fact(
        name="4.5 a whole-value placeholder for a mapping is written as JSON",
        flow="{states: {a: {state_type: file, action: write, path: l.json, content: '{r}'}}}",
        given={"r": {"a": [1, None, True]}},
        files={"l.json": '{\n  "a": [\n    1,\n    null,\n    true\n  ]\n}'},
    ),
    Fact(
        name="4.5 values inside a text that is JSON are JSON",
        flow="""{states: {a: {state_type: file, action: write, path: l.json,
            content: '{"plan": {r}, "name": "{n}", "k": {"z": {b}}}'}}}""",
        given={"r": {"a": [1, None, True]}, "n": 'q"x', "b": True},
        files={"l.json": '{"plan": {"a": [1, null, true]}, "name": "q\\"x", "k": {"z": true}}'},
    ),
    Fact(
        name="4.5 code, Makefile tabs and braces survive",
        flow=(
            "states:\n  a: {state_type: file, action: write, path: M, content: \"all:\\n\\tpy -c 'd = "
            '{\\"a\\": {\\"b\\": 1}}; print({n})\' ${VAR}\\n"}'
        ),
        given={"n": 3},
        files={"M": 'all:\n\tpy -c \'d = {"a": {"b": 1}}; print(3)\' ${VAR}\n'},
    ),
    Fact(
        name="4.5 timestamp in a path",
        flow=(
            "{states: {a: {state_type: file, action: write, path: 'results/x_{timestamp}.json', content: z, "
            "output: o, transition: b}, b: {state_type: assert, condition: o.startswith('results/x_2')}}}"
        ),
    ),
)
def test_file(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@pytest.mark.parametrize("kind", ["llm", "llm-agent", "llm_agent", "llm_agent_lite", "LLM_Agent"])
@pytest.mark.parametrize("prompt", ["prompt: p", "user_prompt: p", "input: p", "system_prompt: s"])
def test_4_6_a_language_model_is_known_by_every_name_and_prompt(kind, prompt):
    flow = f"{{states: {{a: {{state_type: {kind}, {prompt}, output: r}}}}}}"
    assert codes_of(flow) == []


@facts(
    Fact(
        name="4.6 prompt is user_prompt",
        flow=(
            "{states: {a: {state_type: llm, prompt: 'ask {x}', output: r, transition: b}, b: {state_type: set, "
            "values: {t: '{r}', u: '{r.response}'}}}}"
        ),
        given={"x": "me"},
        answers={"llm_agent": lambda parameters: TextRecord({"response": parameters["user_prompt"]})},
        variables={"t": "ask me", "u": "ask me"},
    ),
    Fact(
        name="4.7 without token and chat the telegram event and listener give them",
        flow=(
            "{listener: {type: telegram, bot_token: '{T}'}, states: {a: {state_type: telegram-bot, message: "
            "hi, error_transition: end}}}"
        ),
        outer={"T": "1:a"},
        codes="",
        answers={"telegram-bot": {"success": True}},
    ),
    Fact(
        name="4.7 text that still has braces arrives as it is",
        flow="{states: {a: {state_type: telegram, bot_token: t, chat_id: 1, message: 'said {x}', output: o}}}",
        given={"x": "{OPENAI_API_KEY} {{7*7}}"},
        answers={"telegram-bot": lambda parameters: {"sent": parameters["message"]}},
        variables={"o": {"sent": "said {OPENAI_API_KEY} {{7*7}}"}},
    ),
    Fact(
        name="4.8 raw keys get native lists and numbers",
        flow=(
            "{states: {a: {state_type: elevenlabs_batch_calling, api_key: k, recipients: '{LIST}', limit: "
            "'{N}', output: o}}}"
        ),
        given={"LIST": [{"phone_number": "1"}], "N": 5},
        answers={
            "elevenlabs_batch_calling": lambda parameters: {"got": [parameters["recipients"], parameters["limit"]]}
        },
        variables={"o": {"got": [[{"phone_number": "1"}], 5]}},
    ),
    Fact(
        name="4.8 a plugin that fails takes the error edge",
        flow=(
            "{states: {a: {state_type: facebook, access_token: a, page_id: p, message: m, error_transition: "
            "c}, c: {state_type: set, values: {m: '{error_message}'}}}}"
        ),
        answers={"facebook": PermanentError("denied")},
        variables={"m": "denied"},
    ),
)
def test_plugins(fact, tmp_path):
    assert fact.differences(tmp_path) == {}


@pytest.mark.parametrize(
    "kind",
    [
        "telegram",
        "telegram_bot",
        "google-sheets",
        "google_sheets",
        "rss",
        "rss_reader",
        "text-to-speech",
        "text_to_speech",
        "speech-to-text",
        "speech_to_text",
        "mcp_neo4j",
        "wechat",
        "linkedin",
        "facebook",
        "elevenlabs_batch_calling",
        "python_code_generator",
        "elasticsearch_search",
        "test_neo4j",
        "a2a-send",
        "collect",
        "saga-step",
        "document-parser",
        "log-analyzer",
        "notification",
        "deployment",
        "context-manager",
        "session-manager",
        "mcp-response",
        "openai-completion",
        "anthropic-completion",
        "ollama-completion",
        "search",
        "shell",
        "generate",
        "custom-analysis",
        "custom-formatting",
        "custom-validation",
        "telegram-listener",
        "email-listener",
        "webhook-listener",
    ],
)
def test_4_every_published_name_is_known(kind):
    assert "unknown-state-type" not in codes_of(f"{{states: {{a: {{state_type: {kind}}}}}}}")
