"""An event that its flow cannot take. It was sent before the first test, as all attempts take their time."""

from tests.contract.flows import RETRIED


def test_an_event_whose_flow_keeps_failing_for_a_passing_reason_is_a_dead_letter_after_all_attempts(hub):
    letter = hub.until(lambda: hub.letter("refused"), "the dead letter", max(hub.seconds, 60))
    assert letter["flow"]["slug"] == RETRIED
    assert letter["code"] == 503
    attempts = hub.runs(RETRIED)
    assert len(attempts) > 1
    assert {run["status"] for run in attempts} == {"failed"}
    assert hub.ask("POST", f"/api/dead-letters/{letter['id']}/redeliver").status == 202
    hub.until(lambda: len(hub.runs(RETRIED)) > len(attempts), "the next attempt")
