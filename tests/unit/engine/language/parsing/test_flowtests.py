"""The `tests:` block of a flow."""

from intellyhub_engine.language.problems import Position
from tests.unit.engine.language.small import codes_of, flow_of, only


def test_tests_are_read():
    flow = flow_of(
        """
        states: {a: {state_type: http, url: u}}
        tests:
          - name: it works
            event: {title: x}
            variables: {v: 1}
            mocks: {a: {status: 200}}
            expect: {path: [a], variables: {v: 1}, status: succeeded}
        """
    )
    test = flow.tests[0]
    assert (test.name, test.event, test.mocks) == ("it works", {"title": "x"}, {"a": {"status": 200}})
    assert (test.expected_path, test.expected_variables, test.expected_status) == (("a",), {"v": 1}, "succeeded")
    assert test.position == Position(4, 5)


def test_tests_may_be_a_mapping_and_flat():
    flow = flow_of(
        "states: {a: {state_type: http, url: u}}\ntests: {first: {expected_path: [a], expected_status: failed}}"
    )
    assert (flow.tests[0].name, flow.tests[0].expected_path, flow.tests[0].expected_status) == (
        "first",
        ("a",),
        "failed",
    )


def test_a_wrong_status_of_a_test_is_an_error():
    text = "states: {a: {state_type: http, url: u}}\ntests: [{expect: {status: suceeded}}]"
    assert only(text, "not-a-choice").suggestion == "did you mean 'succeeded'?"


def test_a_test_of_an_unknown_state_is_an_error():
    text = "states: {fetch: {state_type: http, url: u}}\ntests: [{mocks: {fech: 1}, expect: {path: [fetch, end]}}]"
    assert only(text, "unknown-test-state").suggestion == "did you mean 'fetch'?"


def test_an_unknown_key_of_a_test_is_a_warning():
    assert "unknown-key" in codes_of("states: {a: {state_type: http, url: u}}\ntests: [{evnt: 1}]")
