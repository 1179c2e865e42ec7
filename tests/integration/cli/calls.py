"""Calls of the command `intellyhub` in a process of its own, and the flows that tests give it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

COMMAND = Path(sys.executable).with_name("intellyhub")


COUNT = """
name: Count
variables: {limit: 3, n: 0}
states:
  more:
    state_type: if
    condition: "{n} < {limit}"
    true_transition: add
    false_transition: done
  add:
    state_type: set
    values: {n: "{n + 1}"}
    log: "n is {n}"
    transition: more
  done: {state_type: end}
"""


APPROVAL = """
name: Approval
states:
  ask: {state_type: wait, approval: "Go on?", output: decision, transition: look}
  look: {state_type: if, condition: "{decision.approved}", true_transition: yes_state, false_transition: no_state}
  yes_state: {state_type: end, result: approved}
  no_state: {state_type: end, status: failed, message: rejected}
"""


NEWS = """
name: News
listener: {type: rss, url: "https://feeds.example.com/nothing.xml", check_interval: 1}
states:
  note: {state_type: file, action: append, path: titles.txt, content: "{event.title}\\n"}
"""


def call(*arguments, code=0, stdin="", **options):
    done = subprocess.run(
        [COMMAND, *arguments], input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=50, **options
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def call_json(*arguments, code=0, **options):
    return json.loads(call(*arguments, "--json", code=code, **options).stdout)


def states_of(answer):
    return [step["state"] for step in answer["steps"]]


def wait_until(condition, process, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
