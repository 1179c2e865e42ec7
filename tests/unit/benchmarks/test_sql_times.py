"""Timing every statement of a process."""

import os
import subprocess
import sys

from tests.benchmarks.sql_times import TOGETHER, VARIABLE, read_times

SCRIPT = """
import sqlalchemy
import tests.benchmarks.sql_times
engine = sqlalchemy.create_engine("sqlite://")
with engine.connect() as connection:
    for number in range(250):
        connection.execute(sqlalchemy.text("SELECT 1"))
"""


def test_statements_are_written_in_hundreds(tmp_path):
    file = tmp_path / "times"
    subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | {VARIABLE: str(file)}, check=True, timeout=30)
    times = read_times(file)
    assert len(times) == 250 // TOGETHER * TOGETHER
    assert all(0 < each < 5 for each in times)


def test_where_nothing_was_written_there_is_nothing(tmp_path):
    assert len(read_times(tmp_path / "missing")) == 0
