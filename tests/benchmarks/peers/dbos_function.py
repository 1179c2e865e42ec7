"""A durable workflow of five steps with DBOS on SQLite, behind functions-framework.

`INTELLYHUB_BENCH_DATABASE` names the database file.
"""

from __future__ import annotations

import json
import os
from typing import Any

import dbos
import functions_framework

dbos.DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{os.environ['INTELLYHUB_BENCH_DATABASE']}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@dbos.DBOS.step()
def touch(number: int) -> int:
    """A step that does nothing: only its record costs."""
    return number


@dbos.DBOS.workflow()
def touch_often(count: int) -> int:
    """`count` steps, each recorded before the next begins."""
    return sum(touch(number) for number in range(count))


dbos.DBOS.launch()


@functions_framework.http
def touch_five(request: Any) -> tuple[str, int, dict[str, str]]:
    """One run per request, answered when it is durable."""
    return json.dumps({"touched": touch_often(5)}), 200, {"Content-Type": "application/json"}
