"""The top level of a flow: keys, where a run starts, list form, listener, tests."""

import pytest

from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.language.model import Durability, LogLine, Retry
from intellyhub_engine.language.problems import Position, Severity
from tests.unit.engine.language.small import CATALOGUE, codes_of, flow_of, only, problems_of, state_of

END = "\nstates: {a: {state_type: end}}"


def test_a_flow_has_the_name_it_gives_itself():
    assert flow_of("name: News" + END).name == "News"


def test_a_flow_without_a_name_has_the_one_it_was_loaded_under():
    assert load_flow(END, CATALOGUE, "news")[0].name == "news"


def test_a_flow_is_addressed_by_the_sha256_of_its_text():
    first, second = flow_of(END).digest, flow_of(END + "\n").digest
    assert len(first) == 64
    assert first != second


def test_a_state_called_like_a_yaml_word_keeps_its_name():
    flow = flow_of(
        "start_state: on\nstates:\n  on: {state_type: set, values: {a: 1}, transition: no}\n  no: {state_type: end}"
    )
    assert list(flow.states) == ["on", "no"]
    assert (flow.start, flow.states["on"].targets) == ("on", {"next": "no"})


def test_states_called_like_other_scalars_keep_their_names():
    first = "1: {state_type: if, condition: a, true: 007, false: null}"
    text = f"states:\n  {first}\n  007: {{state_type: end}}\n  true: {{state_type: end}}"
    flow = flow_of(text)
    assert list(flow.states) == ["1", "007", "true"]
    assert flow.states["1"].targets == {"true": "007"}


def test_a_run_starts_where_start_state_says():
    assert flow_of("start_state: b\nstates: {a: {state_type: end}, b: {state_type: end}}").start == "b"


def test_a_run_starts_at_start_otherwise():
    assert flow_of("states: {a: {state_type: end}, start: {state_type: end}}").start == "start"


def test_a_run_starts_at_the_first_state_otherwise():
    assert flow_of("states: {b: {state_type: end}, a: {state_type: end}}").start == "b"


def test_an_unknown_start_falls_back_with_a_warning():
    text = "start_state: strat\nstates: {a: {state_type: end}, start: {state_type: end}}"
    assert flow_of(text).start == "start"
    problem = only(text, "unknown-start")
    assert (problem.severity, problem.position, problem.suggestion) == (
        Severity.WARNING,
        Position(1, 14),
        "did you mean 'start'?",
    )


def test_end_is_predefined():
    text = "states: {a: {state_type: set, values: {x: 1}, transition: end}}"
    assert flow_of(text).states["a"].targets == {"next": "end"}
    assert codes_of(text) == []


def test_a_body_of_nothing_called_end_is_an_end():
    assert flow_of("states: {a: {state_type: end}, end: }").states["end"].type == "end"


def test_list_form_runs_in_order_and_the_last_one_ends():
    flow = flow_of("states:\n  - {name: a, type: command, command: x}\n  - {name: b, type: command, cmd: y}")
    assert flow.states["a"].targets == {"next": "b"}
    assert flow.states["b"].targets == {}
    assert flow.dollar_names


def test_list_form_may_still_name_a_transition():
    flow = flow_of(
        "states: [{name: a, type: set, values: {}, transition: c}, {name: b, type: end}, {name: c, type: end}]"
    )
    assert flow.states["a"].targets == {"next": "c"}


def test_unnamed_states_of_a_list_get_names():
    flow = flow_of("states:\n  - {type: command, command: x}\n  - {type: http, url: y}")
    assert list(flow.states) == ["command_1", "http_2"]


def test_mapping_form_has_no_dollar_names():
    assert not flow_of(END).dollar_names


def test_state_type_wins_over_type():
    state = state_of("states: {a: {state_type: emit, type: com.example.x}}")
    assert (state.type, state.parameters) == ("emit", {"type": "com.example.x"})


@pytest.mark.parametrize("spelling", ["telegram-bot", "telegram_bot", "telegram", "Telegram-Bot", "TELEGRAM_BOT"])
def test_every_spelling_of_a_type_is_one(spelling):
    assert state_of(f"states: {{a: {{state_type: {spelling}, message: x}}}}").type == "telegram-bot"


def test_an_alias_of_a_parameter_gets_its_canonical_name():
    assert state_of("states: {a: {state_type: llm, prompt: hi}}").parameters == {"user_prompt": "hi"}


def test_a_parameter_given_twice_under_two_names_is_reported():
    problem = only("states: {a: {state_type: file, action: read, operation: read, path: x}}", "unknown-parameter")
    assert "operation" in problem.message


def test_transitions_become_edges():
    body = "{state_type: http, url: u, transition: n, success_transition: s, error_transition: e}"
    ends = ", ".join(f"{name}: {{state_type: end}}" for name in "nse")
    assert state_of(f"states: {{a: {body}, {ends}}}").targets == {"next": "n", "success": "s", "error": "e"}


def test_a_null_transition_is_none():
    assert state_of("states: {a: {state_type: http, url: u, transition: null}}").targets == {}


def test_output_names_a_variable():
    assert state_of("states: {a: {state_type: http, url: u, output: page}}").output == "page"


def test_output_variable_is_another_word_for_output():
    assert state_of("states: {a: {state_type: rss, url: u, output_variable: news}}").output == "news"


def test_output_may_map_names_to_fields():
    state = state_of("states: {a: {state_type: email-listener, output: {text: email_body}}}")
    assert state.output == {"text": "email_body"}


def test_log_is_text_or_a_mapping():
    assert state_of("states: {a: {state_type: http, url: u, log: hi}}").log == LogLine(message="hi")
    state = state_of("states: {a: {state_type: http, url: u, log: {message: hi, level: WARN}}}")
    assert state.log == LogLine(message="hi", level="warning")


def test_an_unknown_log_level_is_an_error_with_a_suggestion():
    problem = only("states: {a: {state_type: http, url: u, log: {message: hi, level: eror}}}", "not-a-choice")
    assert (problem.position.column, problem.suggestion) == (66, "did you mean 'error'?")


@pytest.mark.parametrize(
    ("written", "retry"),
    [
        ("5", Retry(attempts=5)),
        ("true", Retry()),
        ("false", None),
        (
            "{max_attempts: 4, backoff: 2s, max_backoff: 1m, on: timeout}",
            Retry(attempts=4, backoff_seconds=2.0, max_backoff_seconds=60.0, on=("timeout",)),
        ),
        ("{attempts: 2, on: [timeout, '503']}", Retry(attempts=2, on=("timeout", "503"))),
    ],
)
def test_every_form_of_retry_is_read(written, retry):
    assert state_of(f"states: {{a: {{state_type: http, url: u, retry: {written}}}}}").retry == retry


@pytest.mark.parametrize("written", ["{attempts: 0}", "x", "[1]", "{backoff: soon}"])
def test_a_wrong_retry_is_an_error(written):
    assert codes_of(f"states: {{a: {{state_type: http, url: u, retry: {written}}}}}") == ["wrong-value"]


def test_an_unknown_key_of_retry_is_a_warning():
    problem = only("states: {a: {state_type: http, url: u, retry: {attemps: 3}}}", "unknown-key")
    assert problem.suggestion == "did you mean 'attempts'?"


@pytest.mark.parametrize(("written", "seconds"), [("timeout_seconds: 5", 5.0), ("timeout: 90s", 90.0)])
def test_timeouts_are_seconds(written, seconds):
    assert state_of(f"states: {{a: {{state_type: http, url: u, {written}}}}}").timeout_seconds == seconds


def test_a_timeout_that_is_no_duration_is_an_error():
    assert codes_of("states: {a: {state_type: http, url: u, timeout: soon}}") == ["wrong-value"]


@pytest.mark.parametrize(
    ("written", "mock"),
    [("mock: 5", 5), ("test: {result: {a: 1}}", {"a": 1}), ("test: {error: down, x: 1}", {"error": "down"})],
)
def test_a_state_may_bring_its_mock(written, mock):
    assert state_of(f"states: {{a: {{state_type: http, url: u, {written}}}}}").mock == mock


def test_comments_for_people_are_no_parameters():
    assert state_of("states: {a: {state_type: http, url: u, description: d, ui: {x: 1}}}").parameters == {"url": "u"}


def test_a_state_knows_its_place():
    assert state_of("states:\n  a:\n    state_type: end\n").position == Position(2, 3)


def test_variables_are_kept_as_written():
    flow = flow_of('variables: {a: "{A}", b: [1], c: "", 4: x}' + END)
    assert flow.variables == {"a": "{A}", "b": [1], "c": "", "4": "x"}


@pytest.mark.parametrize(
    ("written", "level"), [("logging: {level: DEBUG, handlers: [console]}", "debug"), ("log_level: warn", "warning")]
)
def test_the_log_level_is_read(written, level):
    assert flow_of(written + END).log_level == level


def test_durability_is_one_of_three():
    assert flow_of("durability: none" + END).durability is Durability.NONE
    assert only("durability: sometimes" + END, "not-a-choice").expected == "step, run, none"


def test_the_step_limit_is_a_whole_number():
    assert flow_of("max_steps: 7" + END).max_steps == 7
    assert flow_of(END).max_steps == 100
    assert codes_of("max_steps: 0" + END) == ["wrong-value"]


def test_dependencies_are_accepted():
    assert flow_of("dependencies: [a>=1, b]" + END).dependencies == ("a>=1", "b")


def test_schemas_are_kept():
    flow = flow_of("input: {type: object}\noutput_schema: {type: string}" + END)
    assert (flow.input_schema, flow.output_schema) == ({"type": "object"}, {"type": "string"})


def test_a_wrong_schema_is_an_error():
    problem = only("input: {type: objekt}" + END, "wrong-schema")
    assert problem.position == Position(1, 8)


def test_an_unknown_top_level_key_is_a_warning():
    problem = only("variabels: {}" + END, "unknown-key")
    assert (problem.severity, problem.position, problem.suggestion) == (
        Severity.WARNING,
        Position(1, 1),
        "did you mean 'variables'?",
    )


@pytest.mark.parametrize("text", ["", "# nothing", "---\n"])
def test_an_empty_text_is_no_flow(text):
    assert codes_of(text) == ["empty-flow"]


@pytest.mark.parametrize("text", ["- a", "a", "5"])
def test_something_else_than_a_mapping_is_no_flow(text):
    assert codes_of(text) == ["not-a-mapping"]


@pytest.mark.parametrize("text", ["name: x", "states:", "states: {}", "states: []", "states: 5"])
def test_a_flow_needs_states(text):
    assert codes_of(text) == ["no-states"]


def test_a_misspelled_states_is_suggested():
    assert only("sates: {a: {state_type: end}}", "no-states").suggestion == "write `states` instead of `sates`"


def test_a_state_without_a_type_is_an_error_with_a_hint():
    problem = only("states: {a: {cases: {}}}", "missing-type")
    assert problem.suggestion == "write state_type: switch"


def test_a_state_that_is_no_mapping_is_an_error():
    assert codes_of("states: {a: 5}") == ["wrong-value"]


def test_two_states_of_one_name_are_an_error():
    problem = only("states:\n  a: {state_type: end}\n  a: {state_type: end}\n", "duplicate-state")
    assert (problem.severity, problem.position) == (Severity.ERROR, Position(3, 3))


def test_two_blocks_of_states_are_an_error():
    assert "duplicate-state" in codes_of("states: {a: {state_type: end}}\nstates: {b: {state_type: end}}")


def test_two_states_of_one_name_in_a_list_are_an_error():
    assert "duplicate-state" in codes_of("states:\n  - {name: a, type: end}\n  - {name: a, type: end}\n")


def test_a_repeated_parameter_is_a_warning_and_the_last_one_counts():
    text = "states:\n  a:\n    state_type: http\n    url: x\n    url: y\n"
    problem = only(text, "duplicate-key")
    assert (problem.severity, problem.position) == (Severity.WARNING, Position(5, 5))
    assert state_of(text).parameters == {"url": "y"}


def test_a_state_called_continue_hides_the_target():
    assert only("states: {continue: {state_type: end}}", "hidden-target").severity is Severity.WARNING


def test_all_faults_come_at_once_in_the_order_of_the_text():
    text = """
        start_state: b
        states:
          a: {state_type: htp, transition: x}
          b: {state_type: http, method: PUT}
        """
    codes = codes_of(text)
    found = {"unknown-state-type", "unreachable-state", "unknown-target", "missing-parameter", "not-a-choice"}
    assert set(codes) == found
    lines = [problem.position.line for problem in problems_of(text)]
    assert lines == sorted(lines)


def test_loading_raises_all_problems_when_one_is_an_error():
    with pytest.raises(FlowInvalid) as caught:
        load_flow("x: 1\nstates: {a: {state_type: nope}}", CATALOGUE)
    assert {str(problem.code) for problem in caught.value.problems} == {"unknown-key", "unknown-state-type"}


def test_loading_gives_the_warnings_of_a_good_flow():
    flow, problems = load_flow("x: 1" + END, CATALOGUE, "mine")
    assert flow.name == "mine"
    assert [problem.code for problem in problems] == ["unknown-key"]
