"""A made-up flow of about 300 lines, of the kinds of states that flow authors use, the same at every call."""

from __future__ import annotations

__all__ = ["LINES", "make_long_flow"]

HEAD = """\
name: parcel_desk
description: Follows the parcels of a small shop from the order to the door.
max_steps: 400
variables:
  SHOP: "Corner shop"
  CHAT_ID: "{TELEGRAM_CHAT_ID}"
  BOT_TOKEN: "{TELEGRAM_BOT_TOKEN}"
  limit_kg: 30
  regions: [north, south, islands]
listener:
  type: webhook
  path: /parcels
  port: 8080
start_state: weigh_1
states:
"""

GROUP = """\
  weigh_{n}:
    state_type: command
    action:
      eval: |
        weights = [line['weight'] for line in parcel['lines']]
        total_{n} = round(sum(weights), 2)
        total_{n}
    output: weight_{n}
    success_transition: too_heavy_{n}
    error_transition: give_up
  too_heavy_{n}:
    state_type: if
    condition: "{{weight_{n}}} > {{limit_kg}} and '{{parcel.kind}}' != 'freight'"
    true_transition: refuse_{n}
    false_transition: by_region_{n}
  by_region_{n}:
    state_type: switch
    value: "{{parcel.region}}"
    cases:
      north: price_{n}
      south: price_{n}
      islands: refuse_{n}
    default: refuse_{n}
  price_{n}:
    state_type: set
    values:
      base_{n}: "{{weight_{n} * 2 + 3}}"
      label_{n}: "{{parcel.id}}-{n}-{{parcel.region|upper}}"
      line_{n}: "Parcel {{parcel.id}} of {{parcel.customer.name}}: {{base_{n}}} euros"
    transition: print_{n}
  print_{n}:
    state_type: command
    command: echo "label {{label_{n}}}" >> "labels-{{current_date}}.txt"
    retry: {{attempts: 3, backoff_seconds: 0.5}}
    timeout_seconds: 10
    transition: keep_{n}
  keep_{n}:
    state_type: file
    action: write
    path: parcels/{{label_{n}}}.json
    content: |
      {{"parcel": "{{parcel.id}}", "price": {{base_{n}}}, "weight": {{weight_{n}}}}}
    log:
      message: "kept {{label_{n}}}"
      level: info
    transition: tell_{n}
  refuse_{n}:
    state_type: set
    values: {{line_{n}: "Parcel {{parcel.id}} cannot be sent"}}
    transition: tell_{n}
  tell_{n}:
    state_type: telegram-bot
    bot_token: "{{BOT_TOKEN}}"
    chat_id: "{{CHAT_ID}}"
    message: "{{line_{n}}}"
    transition: {following}
    error_transition: give_up
"""

TAIL = """\
  give_up:
    state_type: file
    action: append
    path: failed.txt
    content: "{parcel.id}: {error_message}"
    transition: end
  end:
    state_type: end
"""

GROUPS = 5


def make_long_flow() -> str:
    """Its text."""
    names = [*(f"weigh_{number}" for number in range(2, GROUPS + 1)), "end"]
    groups = (GROUP.format(n=number, following=name) for number, name in enumerate(names, start=1))
    return HEAD + "".join(groups) + TAIL


LINES = len(make_long_flow().splitlines())
