"""The elevenlabs_batch_calling state against a server that knows the API."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from pathlib import Path

import pytest

from intellyhub_engine.errors import PermanentError, RetryableError
from intellyhub_functions.states.elevenlabs_batch_calling.elevenlabs_batch_calling import perform
from intellyhub_functions.states.elevenlabs_batch_calling.recipients import make_recipients
from intellyhub_functions.testing.elevenlabs_api import ElevenLabsApi
from intellyhub_functions.testing.examples import run_example
from intellyhub_functions.testing.server import Answer
from intellyhub_functions.testing.surroundings import make_step

ORDER = {
    "call_name": "Campaign",
    "agent_id": "agent-1",
    "agent_phone_number_id": "phone-1",
    "recipients": [{"phone_number": "+39 011"}, {"phone_number": "+39 012"}],
}


def result_of(failure):
    """What the failed step leaves in its output."""
    return failure.value.result


@pytest.fixture
def api():
    with ElevenLabsApi() as server:
        yield server


@pytest.fixture
def step(tmp_path, api):
    return make_step(tmp_path, outer={"ELEVENLABS_API_KEY": "xi-local", "ELEVENLABS_BASE_URL": api.url})


def test_calls_are_ordered_followed_and_cancelled(api, step):
    ordered = perform(ORDER | {"scheduled_time_unix": 1900000000, "timezone": "Europe/Rome"}, step)
    assert (ordered.success, ordered.operation, ordered.status) == (True, "submit", "pending")
    assert (ordered.batch_id, ordered.total_calls_scheduled) == (ordered.data.id, 2)
    assert api.calls[0].json()["scheduled_time_unix"] == 1900000000
    assert api.calls[0].headers["idempotency-key"] == step.idempotency_key
    told = perform({"operation": "get", "batch_id": ordered.batch_id}, step)
    assert (told.status, told.total_calls_dispatched, told.data.recipients[0].phone_number) == (
        "completed",
        2,
        "+39 011",
    )
    assert perform({"operation": "cancel", "batch_id": ordered.batch_id}, step).status == "cancelled"


def test_batches_are_listed_page_by_page(step):
    for number in range(3):
        perform(ORDER | {"call_name": f"Campaign {number}"}, step)
    first = perform({"operation": "list", "limit": 2}, step)
    assert (first.batch_count, first.has_more) == (2, True)
    rest = perform({"operation": "list", "limit": 2, "last_doc": first.next_doc}, step)
    assert ([batch["name"] for batch in rest.data.batch_calls], rest.has_more) == (["Campaign 0"], False)


def test_an_order_whose_answer_is_lost_is_found_and_not_repeated(api, step):
    api.lost = 1
    result = perform(ORDER, step)
    assert list(api.batches) == [result.batch_id]
    assert result.success


def test_an_order_that_did_not_arrive_may_be_repeated(api, step):
    perform(ORDER | {"call_name": "Another"}, step)
    api.failures.append(Answer(status=503))
    with pytest.raises(RetryableError) as failure:
        perform(ORDER, step)
    assert result_of(failure).status_code == 503
    assert len(api.batches) == 1


def test_an_order_of_which_nothing_can_be_learnt_is_not_repeated(api, step):
    api.failures += [Answer(status=502), Answer(status=502)]
    with pytest.raises(PermanentError, match="whether the calls were ordered cannot be found out"):
        perform(ORDER, step)


def test_too_many_orders_are_made_later(api, step):
    api.failures.append(Answer(status=429, headers={"retry-after": "3"}))
    with pytest.raises(RetryableError) as failure:
        perform(ORDER, step)
    assert failure.value.retry_after_seconds == 3
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (ORDER | {"agent_id": ""}, "agent_id is missing; submit needs it"),
        (ORDER | {"recipients": []}, "recipients is missing"),
        (ORDER | {"recipients": "{CUSTOMERS}"}, "a text that is not JSON"),
        (ORDER | {"recipients": [{"phone_number": "+1"}, {"name": "Ada"}]}, "recipient 2 has no phone_number"),
        (ORDER | {"recipients": [[]]}, "recipient 1 is not an object"),
        ({"operation": "get"}, "batch_id is missing; get needs it"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_not_sent(api, step, parameters, message):
    with pytest.raises(PermanentError, match=message) as failure:
        perform(parameters, step)
    assert (result_of(failure).success, result_of(failure).operation) == (
        False,
        parameters.get("operation", "submit"),
    )
    assert api.calls == []


def test_refusals_are_told_with_their_status(step):
    with pytest.raises(PermanentError, match=r"answered 404: Batch call with id .* not found") as failure:
        perform({"operation": "get", "batch_id": "../voices"}, step)
    assert result_of(failure).status_code == 404
    with pytest.raises(PermanentError, match="401: Invalid API key"):
        perform({"operation": "list", "api_key": "xi-wrong"}, step)


def test_what_is_known_of_a_recipient_becomes_dynamic_variables():
    (person,) = make_recipients(
        [
            {
                "phone_number": 39011,
                "contact_info": {"name": "Mario", "title": "CEO"},
                "preferences": {"language": "it", "best_call_times": ["09:00-12:00", "14:00-18:00"]},
                "metadata": {"priority": "high", "custom_fields": {"account_value": "1000"}, "more": {"a": [1]}},
                "vip": True,
            }
        ]
    )
    assert person == {
        "phone_number": "39011",
        "conversation_initiation_client_data": {
            "dynamic_variables": {
                "name": "Mario",
                "title": "CEO",
                "language": "it",
                "best_call_times": "09:00-12:00, 14:00-18:00",
                "priority": "high",
                "account_value": "1000",
                "more": '{"a": [1]}',
                "vip": True,
            }
        },
    }


def test_a_recipient_as_the_api_takes_it_stays_as_it_is():
    person = {"id": "a", "phone_number": "+1", "conversation_initiation_client_data": {"user_id": "u"}}
    assert make_recipients([person]) == [person]
    assert make_recipients('[{"phone_number": "+1"}]') == make_recipients(["+1"]) == [{"phone_number": "+1"}]


def test_the_example_calls_two_people(api, tmp_path):
    names = {
        "ELEVENLABS_API_KEY": "xi-local",
        "ELEVENLABS_BASE_URL": api.url,
        "ELEVENLABS_AGENT_ID": "agent-1",
        "ELEVENLABS_AGENT_PHONE_ID": "phone-1",
    }
    result = run_example(Path(__file__).parent, tmp_path, names=names)
    assert result.variables["result"] == "completed: 2 calls"
    (batch,) = api.batches.values()
    known = batch["recipients"][0]["conversation_initiation_client_data"]["dynamic_variables"]
    assert known == {"name": "Ada", "company": "Analytical"}
