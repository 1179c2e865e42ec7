"""Documents as they are written."""

from datetime import UTC, datetime

import orjson
import pytest

from intellyhub_control_plane.shapes.runs import StepList, StepLog
from intellyhub_control_plane.shapes.settings import Variable, VariableList
from intellyhub_control_plane.shapes.shape import write_moment

MOMENT = datetime(2026, 1, 31, 8, 15, 0, 250_999, tzinfo=UTC)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_items_that_are_written_once_stand_under_both_keys(count):
    items = [Variable(key=f"k{number}", value={"a": [number, '"}]']}, updated_at=MOMENT) for number in range(count)]
    page = VariableList(items=items, variables=items, next_cursor="more")
    assert orjson.loads(page.to_json()) == orjson.loads(page.model_dump_json())


def test_a_list_with_more_to_say_says_it():
    page = StepList(items=[], steps=[], logs=[StepLog(at=MOMENT, level="info", message="hello")])
    assert orjson.loads(page.to_json()) == orjson.loads(page.model_dump_json())


def test_times_have_milliseconds():
    assert write_moment(MOMENT) == "2026-01-31T08:15:00.250Z"
    assert write_moment(MOMENT.replace(microsecond=0)) == "2026-01-31T08:15:00.000Z"
