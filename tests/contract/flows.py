"""The flows that are tried, by slug. All are published at once: a cluster builds them while others are tried."""

from __future__ import annotations

__all__ = ["FLOWS", "GREEDY_BYTES", "RETRIED", "SECRET", "VARIABLE", "make_version"]

VARIABLE = "CONTRACT_WORD"
SECRET = "CONTRACT_SECRET"
GREEDY_BYTES = 2000
RETRIED = "contract-refused"
"""Its events become dead letters, after all attempts: some fifteen seconds."""

ECHO = """
listener: {type: webhook}
states:
  say: {state_type: set, values: {word: "{event.body.word}"}, log: "said {word}", transition: done}
  done: {state_type: end, result: {word: "{word}"}}
"""
NARROW = f"""
listener: {{type: webhook, max_body_bytes: {GREEDY_BYTES}}}
states:
  done: {{state_type: end, result: {{fine: true}}}}
"""
SLOW = """
listener: {type: webhook, reply_timeout: 1}
states:
  nap: {state_type: wait, seconds: 3, transition: done}
  done: {state_type: end, result: {woke: true}}
"""
LISTENING = """
listener:
  type: event
  filters: [{exact: {type: contract.order}}, {not: {exact: {subject: test}}}]
states:
  done: {state_type: end, result: {n: "{n}"}}
"""
ADDRESSED = """
listener: {type: event, filter: {type: contract.nobody-sends-this}}
states:
  done: {state_type: end, result: {n: "{n}"}}
"""
ASKING = """
listener: {type: event, filter: {type: contract.question}}
states:
  ask: {state_type: emit, type: contract.answer, data: {n: "{n}"}, subject: "{n}", transition: done}
  done: {state_type: end}
"""
ANSWERING = """
listener: {type: event, filter: {type: contract.answer}}
states:
  done: {state_type: end, result: {n: "{n}"}}
"""
SLEEPING = """
listener: {type: webhook}
states:
  before: {state_type: set, values: {steps: 1}, transition: sleep}
  sleep: {state_type: wait, seconds: 2, transition: after}
  after: {state_type: set, values: {steps: "{steps + 1}"}, transition: done}
  done: {state_type: end, result: {steps: "{steps}"}}
"""
AWAITING = """
listener: {type: webhook}
states:
  wait:
    state_type: wait
    event: {type: contract.wake, subject: "{event.body.n}"}
    output: woken_by
    transition: done
  done: {state_type: end, result: {word: "{woken_by.data.word}"}}
"""
APPROVED = """
variables: {amount: 0}
states:
  ask: {state_type: wait, approval: "Spend {amount}?", output: decision, transition: done}
  done: {state_type: end, result: {approved: "{decision.approved}"}}
"""
CHILD = """
input: {type: object, properties: {price: {type: number}}, required: [price]}
states:
  double: {state_type: set, values: {doubled: "{price * 2}"}, transition: done}
  done: {state_type: end, result: {doubled: "{doubled}"}}
"""
PARENT = """
variables: {price: 21}
states:
  ask: {state_type: call, flow: contract-child, input: {price: "{price}"}, output: answer, transition: done}
  done: {state_type: end, result: {doubled: "{answer.doubled}"}}
"""
BUSY = """
states:
  work:
    state_type: command
    action: {eval: "import time\\ntime.sleep(60)"}
    transition: end
"""
REFUSED = """
listener: {type: event, filter: {type: contract.refused}}
states:
  ask: {state_type: http, url: "http://127.0.0.1:9/", timeout: 1, transition: end}
"""
SETTINGS = f"""
listener: {{type: webhook}}
states:
  look:
    state_type: command
    action: {{eval: "len({SECRET})"}}
    output: length
    log: "the secret is {{{SECRET}}}"
    transition: done
  done: {{state_type: end, result: {{word: "{{{VARIABLE}}}", length: "{{length}}"}}}}
"""
VERSIONS = """
listener: {type: webhook}
states:
  begin:
    state_type: if
    condition: "{event.body.wait} == True"
    true_transition: wait
    false_transition: done
  wait:
    state_type: wait
    event: {type: contract.go-on, subject: "{event.body.n}"}
    transition: done
  done: {state_type: end, result: {version: NUMBER}}
"""


def make_version(number: int) -> str:
    """A text whose answer names its version."""
    return VERSIONS.replace("NUMBER", str(number))


FLOWS = {
    RETRIED: REFUSED,
    "contract-echo": ECHO,
    "contract-zero": ECHO,
    "contract-narrow": NARROW,
    "contract-slow": SLOW,
    "contract-listening": LISTENING,
    "contract-addressed": ADDRESSED,
    "contract-asking": ASKING,
    "contract-answering": ANSWERING,
    "contract-sleeping": SLEEPING,
    "contract-awaiting": AWAITING,
    "contract-approved": APPROVED,
    "contract-child": CHILD,
    "contract-parent": PARENT,
    "contract-busy": BUSY,
    "contract-versions": make_version(1),
    "contract-rollout": make_version(1),
    "contract-settings": SETTINGS,
    "contract-gone": ECHO,
}
