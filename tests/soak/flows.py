"""The flows that are shot at. Every effect leaves a line in a ledger: the number of the event, the step."""

from __future__ import annotations

__all__ = ["HANGING", "LEDGER", "WAITING", "WAKING", "WORKING"]

LEDGER = "ledger.log"
"""In the workspace."""

WORKING = """\
name: soak work
listener:
  type: event
  filter: {type: soak.work}
states:
  one:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} one\\n"
    transition: compute
  compute:
    state_type: set
    values: {doubled: "{n * 2}"}
    transition: two
  two:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} two\\n"
    transition: three
  three:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} three\\n"
    transition: end
  end: {state_type: end}
"""

WAITING = """\
name: soak wait
listener:
  type: event
  filter: {type: soak.wait}
states:
  before:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} before\\n"
    transition: pause
  pause:
    state_type: wait
    duration: "{seconds}s"
    transition: after
  after:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} after\\n"
    transition: end
  end: {state_type: end}
"""

WAKING = """\
name: soak wake
listener:
  type: event
  filter: {type: soak.asleep}
states:
  before:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} before\\n"
    transition: first
  first:
    state_type: wait
    event: {type: soak.wake, subject: "{n}"}
    transition: between
  between:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} between\\n"
    transition: second
  second:
    state_type: wait
    event: {type: soak.wake, subject: "{n}"}
    transition: after
  after:
    state_type: file
    action: append
    path: ledger.log
    content: "{n} after\\n"
    transition: end
  end: {state_type: end}
"""
"""Both waits are for the same kind of event: one that comes again must not end the second."""

HANGING = """\
name: soak hang
listener: {type: webhook}
states:
  hang:
    state_type: command
    command: sleep 600
    transition: end
  end: {state_type: end}
"""
