"""Flows that are built, and how tests look at their builds."""

from intellyhub_knative.platform.deployments import make_deployment
from intellyhub_knative.platform.desired_records import Kind
from tests.unit.control_plane.house import HELLO

TESTED = (
    HELLO
    + """
tests:
  - name: greets
    variables: {name: Ada}
    expect: {variables: {text: Hi Ada}}
"""
)
WRONG = TESTED.replace("text: Hi Ada", "text: Hi Bob")
CALLER = """
name: caller
states:
  ask: {state_type: call, flow: hello, transition: end}
"""
ANSWER = """
name: hello
states:
  done: {state_type: end, result: {answer: 42}}
"""
CHECKING = """
name: caller
states:
  ask: {state_type: call, flow: hello, output: found, transition: note}
  note: {state_type: set, values: {said: "{found.answer}"}, transition: end}
tests:
  - {name: asks, expect: {variables: {said: 42}}}
"""


def change(house, person, flow, text):
    answer = house.call(person, "PUT", f"/api/flows/{flow['id']}", {"yaml_content": text})
    assert answer.status_code == 200, answer.text
    return answer.json


def record(store, flow):
    return make_deployment(store.read(Kind.DEPLOYMENT, flow["id"]))


def detail(house, person, build):
    return house.call(person, "GET", f"/api/builds/{build['id']}").json


def state(house, person, flow):
    """What the flow itself says of where it stands."""
    shown = house.call(person, "GET", f"/api/flows/{flow['id']}").json["deployment"]
    return shown["state"], shown["message"], shown["serves"]


def watch(registry, heard):
    """Calls `heard(method, path)` with every request of the registry's."""

    class Log(list):  # type: ignore[type-arg]
        def append(self, row):
            super().append(row)
            heard(row[0], row[1])

    registry.log = Log()
