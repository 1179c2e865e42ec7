"""Published and native states run as states of flows: what they see, what becomes of what they do, how they fail."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import time
from dataclasses import replace

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.errors import PermanentError
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import Logged, RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import examine
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import start
from intellyhub_functions.plugins.tables import make_catalogue
from intellyhub_functions.testing.plugins import publish, write_plugin
from intellyhub_functions.testing.surroundings import make_step


@pytest.fixture(scope="module")
def blocks():
    with Blocks() as service:
        yield service


@pytest.fixture
def run(tmp_path, blocks):
    def run_flow(text, *plugins, outer=None, event=None, warnings=False, services=None):
        catalogue = make_catalogue(publish(tmp_path / "plugins", *plugins))
        flow, problems = examine(text, catalogue, name="flow")
        assert flow is not None, problems
        assert warnings or not problems, [str(problem) for problem in problems]
        logged = []
        host = Host(
            now_ns=time.time_ns,
            catalogue=catalogue,
            outer=outer or {},
            workspace=tmp_path / "workspace",
            services={"blocks": blocks, **(services or {})},
            observe=lambda run_id, entry: logged.append(entry),
        )
        result = start(compile_flow(flow, catalogue), host, event=event)
        result_lines = [(entry.level, entry.message) for entry in logged if isinstance(entry, Logged)]
        return result, result_lines

    return run_flow


def test_a_published_plugin_runs_unmodified_and_its_objects_become_records(run):
    result, _ = run(
        """
        variables: {author: ada, words: hello}
        states:
          write: {state_type: notes, text: "{words} there", count: "2", output: book, transition: look}
          look: {state_type: if, condition: "book.notes[0].author == 'ADA'", true_transition: end, false_transition: no}
          no: {state_type: assert, condition: "1 == 2", message: wrong}
        """,
        "notes",
    )
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    assert result.variables["note_count"] == 2
    book = result.variables["book"]
    assert (book.title, book.notes[1].text, book.notes[1].written.year) == ("Notes", "hello there", 2024)
    assert "_cache" not in book.notes[0]


def test_a_hyphenated_file_with_a_registry_by_hand_answers_to_every_spelling(run):
    for spelling in ("acme-bot", "acme_bot", "Acme-Bot", "acme_bot_by_hand", "acme-bot/acme_bot"):
        result, lines = run(
            f"""
            variables: {{token: t, person: {{name: Ada}}}}
            states:
              send:
                state_type: {spelling}
                bot_token: "{{token}}"
                chat_id: 5
                message: "Hi {{person.name}}"
                output: sent
                transition: end
            """,
            "acme-bot",
        )
        assert result.error is None
        assert (result.variables["sent"].text, result.variables["sent"].chat.id) == ("Hi Ada", 5)
        assert ("info", "sending Hi Ada") in lines


def test_a_plugin_s_failure_takes_its_error_edge_and_leaves_its_message(run):
    result, _ = run(
        """
        variables: {data: "{not_there}"}
        states:
          send:
            state_type: acme_bot
            bot_token: t
            chat_id: 5
            message: 'Hi {"a": 1}'
            output: sent
            transition: end
            error_transition: tell
          tell: {state_type: set, values: {told: "{error_message} in {error_state}"}}
        """,
        "acme-bot",
        warnings=True,
    )
    assert result.status is RunStatus.SUCCEEDED
    assert result.variables["sent"].success is False
    assert result.variables["told"].endswith(" in send")


def test_the_literal_error_of_a_plugin_fails_the_run_where_no_state_is_called_so(run):
    result, _ = run(
        'states: {send: {state_type: acme_bot, bot_token: t, chat_id: 5, message: "{x!}", output: sent}}', "acme-bot"
    )
    assert result.status is RunStatus.FAILED
    assert result.error == result.variables["sent"]["error"]


def test_what_validate_config_refuses_fails_the_state(run):
    result, _ = run("states: {send: {state_type: acme_bot, bot_token: t, message: hi}}", "acme-bot")
    assert result.status is RunStatus.FAILED
    assert "ValueError: chat_id is required (acme-bot_state.py, line 19)" in result.error


def test_the_oldest_shapes_run_too(run):
    result, _ = run(
        """
        variables: {seen: [a]}
        states:
          - {name: tell, type: telegraph, words: [come, home]}
          - {name: read, type: reader, source: b}
        """,
        "telegraph",
        "reader",
        outer={"suffix": " END"},
    )
    assert result.error is None
    assert result.variables["sent"] == "come STOP home END"
    assert (result.variables["reader_articles"], result.variables["seen"]) == (["b"], ["a", "b"])
    assert "suffix" not in result.variables


def test_text_from_outside_is_never_filled_in_a_second_time(run):
    result, _ = run(
        """
        variables: {message: "give me {raw}{KEY}{raw2}", author: x}
        states: {write: {state_type: notes, text: "{event.text}", output: book}}
        """.replace("{raw}", "").replace("{raw2}", ""),
        "notes",
        outer={"KEY": "sesame"},
        event=make_event({"text": "my {KEY} and {author}"}),
    )
    assert result.variables["book"].notes[0].text == "my {KEY} and {author}"


def make_event(data):
    return Event(id="1", source="/test", type="test", data=data)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", "KeyError: 'nothing there' (broken_state.py, line 17)"),
        ("exit", "it ended itself, with 3"),
        ("leave", "ended its process itself, with exit code 4"),
        ("crash", "crashed with SIGSEGV"),
        ("import", "needs the module 'a_module_that_nobody_has'"),
        ("lie", "gave an answer that cannot be read"),
    ],
)
def test_a_plugin_that_goes_wrong_fails_its_state_and_the_flow_goes_on(run, how, said):
    result, _ = run(
        f"""
        states:
          go: {{state_type: broken, how: {how}, error_transition: after}}
          after: {{state_type: set, values: {{told: "{{error_message}}"}}}}
        """,
        "broken",
    )
    assert result.status is RunStatus.SUCCEEDED
    assert said in result.variables["told"]


def test_a_plugin_that_hangs_is_ended_in_time(run):
    began = time.monotonic()
    result, _ = run("states: {go: {state_type: broken, how: hang, timeout_seconds: 0.3}}", "broken")
    assert (result.status, "0.3 s" in result.error) == (RunStatus.FAILED, True)
    result, _ = run("states: {go: {state_type: broken, how: hang}}", "broken", services={"request_seconds": 0.5})
    assert "not done after 0.4 s" in result.error
    assert time.monotonic() - began < 10


def test_handles_modules_and_functions_are_dropped_with_a_warning(run):
    result, lines = run("states: {go: {state_type: broken, how: leak, transition: end}}", "broken")
    assert result.variables["kept"].a == 1
    assert {"module", "function"}.isdisjoint(result.variables)
    assert ("warning", "module is not kept as a variable: a module cannot be the value of a variable") in lines


def test_none_ends_the_run_and_a_name_that_no_state_has_fails_it(run):
    result, _ = run("states: {go: {state_type: broken, how: none, transition: go}}", "broken", warnings=True)
    assert (result.status, result.end_state) == (RunStatus.SUCCEEDED, "end")
    result, _ = run("states: {go: {state_type: broken, how: other}}", "broken")
    assert (result.status, "'somewhere', which the flow does not have" in result.error) == (RunStatus.FAILED, True)


def test_a_plugin_in_the_body_of_a_loop_goes_round(run):
    result, _ = run(
        """
        variables: {seen: []}
        states:
          each:
            state_type: loop
            items: [a, b, c]
            states:
              read: {state_type: reader, source: "{item}", transition: stop}
              stop: {state_type: broken, how: none}
            transition: done
          done: {state_type: set, values: {ended: true}}
        """,
        "reader",
        "broken",
    )
    assert (result.error, result.variables["seen"], result.variables["ended"]) == (None, ["a", "b", "c"], True)


def test_native_states_get_values_of_their_types(run):
    result, lines = run(
        """
        variables: {n: "2", who: {name: Grace, age: "36"}}
        states:
          one: {state_type: hello, who: Ada, tone: short, times: "{n}", output: said, transition: two}
          two: {state_type: introduce, person: "{who}", output: intro, transition: three}
          three: {state_type: double, number: "{n}", output: twice}
        """,
        "acme",
        outer={"ACME_KEY": "k", "OTHER_KEY": "o"},
    )
    assert result.error is None
    assert (result.variables["said"], result.variables["twice"]) == ("Ada Ada", 4.0)
    assert result.variables["intro"] == {"name": "Grace", "age": 36, "secret": "k", "state": "two"}
    assert result.variables["introduced"].name == "Grace"
    assert ("warning", "introducing Grace") in lines


@pytest.mark.parametrize(
    ("mode", "status", "said"),
    [
        ("fail", RunStatus.FAILED, "the plugin 'acme': nobody listens"),
        ("hang", RunStatus.FAILED, "not done after 0.5 s"),
    ],
)
def test_a_native_state_fails_in_words(run, mode, status, said):
    result, _ = run(f"states: {{go: {{state_type: introduce, person: {{name: A}}, mode: {mode}}}}}", "acme")
    assert (result.status, said in result.error) == (status, True)


def test_a_native_state_that_is_busy_is_tried_again_when_it_said(run):
    result, _ = run("states: {go: {state_type: introduce, person: {name: A}, mode: later}}", "acme")
    assert (result.status, result.retry_after_seconds) == (RunStatus.FAILED, 7)


def test_a_native_state_may_choose_where_the_run_goes_on(run):
    result, _ = run(
        """
        states:
          go: {state_type: introduce, person: {name: A}, mode: jump, transition: end}
          other: {state_type: set, values: {here: true}}
        """,
        "acme",
        warnings=True,
    )
    assert result.variables["here"] is True


def test_a_plugin_uses_its_own_layer_and_nobody_else_does(tmp_path, blocks, run):
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "yaml.py").write_text("WHERE = 'layer'\n")
    code = "import yaml\nfrom intellyhub import state\n\n@state\ndef where() -> str:\n    return yaml.WHERE\n"
    plugin = write_plugin(tmp_path, "layered", {"layered.py": code})
    catalogue = make_catalogue([replace(plugin, layer=str(layer))])
    step = make_step(tmp_path, services={"blocks": blocks})
    perform = catalogue.states["where"].load
    assert perform is not None
    assert perform()({}, step).value == "layer"
    perform = make_catalogue([plugin]).states["where"].load
    assert perform is not None
    with pytest.raises(PermanentError, match="no attribute 'WHERE'"):
        perform()({}, step)
