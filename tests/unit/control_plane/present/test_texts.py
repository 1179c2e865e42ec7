"""What is read out of a flow's text before it is published."""

import pytest

from intellyhub_control_plane.present.texts import examine_text


@pytest.mark.parametrize(
    "state",
    [
        '{state_type: python, code: "def main(): ...", requirements: [rapidfuzz]}',
        "{state_type: llm, user_prompt: x, chain: 'ours:answer', requirements: [rapidfuzz]}",
    ],
)
def test_the_packages_of_an_authors_python_are_known_whichever_state_runs_it(state):
    found = examine_text(f"states: {{a: {state}}}", "flow")
    assert found.is_valid, found.problems
    assert found.requirements == (("rapidfuzz",),)
