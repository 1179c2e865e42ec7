"""The state types that steer a run: the machine performs them itself, they need no function."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intellyhub_engine.catalogue.manifest import Parameter, StateType, Syntax

__all__ = ["CONTROL", "LISTENER_STATE"]

LISTENER_STATE = "listener-state"
"""A listener placed in the graph: its keys went to the flow's listener; on a run it applies `output` and `log`."""


def make_parameters(*parameters: Parameter) -> Mapping[str, Parameter]:
    return MappingProxyType({parameter.name: parameter for parameter in parameters})


IF = StateType(
    type="if",
    aliases=("condition",),
    description="Goes to `true_transition` when the condition holds, else to `false_transition`.",
    effect=False,
    parameters=make_parameters(
        Parameter(
            name="condition",
            types=("string", "boolean", "number"),
            required=True,
            syntax=Syntax.CONDITION,
            description="An expression: Python's operators, and `contains`, `contains any`, `starts with`, `is empty`.",
        )
    ),
    example={
        "state_type": "if",
        "condition": "{event.title} contains any {keywords}",
        "true_transition": "notify",
        "false_transition": "end",
    },
)

SWITCH = StateType(
    type="switch",
    description="Goes where the case equal to the value says, compared as text; else to `default`.",
    effect=False,
    parameters=make_parameters(
        Parameter(
            name="value",
            aliases=("variable", "expression"),
            required=True,
            description="The text to compare; a bare variable name stands for its value.",
        )
    ),
    example={"state_type": "switch", "value": "{command}", "cases": {"/start": "welcome"}, "default": "end"},
)

LOOP = StateType(
    type="loop",
    aliases=("for_each", "foreach"),
    description="Repeats a body for every item of a list, or while a condition holds.",
    effect=False,
    parameters=make_parameters(
        Parameter(
            name="items",
            types=("array", "object", "string", "integer"),
            description="The list; a number n counts from 0 to n - 1.",
        ),
        Parameter(
            name="condition",
            types=("string", "boolean"),
            syntax=Syntax.CONDITION,
            aliases=("while",),
            description="Evaluated before each pass; the loop ends when it is false.",
        ),
        Parameter(
            name="item_var",
            types=("string",),
            default="item",
            syntax=Syntax.LITERAL,
            aliases=("item_name", "item_variable"),
            description="The variable that holds the item.",
        ),
        Parameter(
            name="concurrency",
            types=("integer", "boolean"),
            minimum=1,
            aliases=("max_concurrency",),
            description="How many items are worked on at once, each in its own child run; true for all.",
        ),
        Parameter(
            name="collect",
            description="Evaluated at the end of each pass; the results become the list that `output` names.",
        ),
    ),
    example={
        "state_type": "loop",
        "items": "{articles}",
        "item_var": "article",
        "states": {"notify": {"state_type": "command", "command": "echo {article.title}"}},
        "transition": "end",
    },
)

PARALLEL = StateType(
    type="parallel",
    description="Runs its branches at the same time, each in its own child run, and goes on when all have ended.",
    effect=True,
    parameters=make_parameters(
        Parameter(
            name="concurrency",
            types=("integer", "boolean"),
            minimum=1,
            aliases=("max_concurrency",),
            description="How many branches run at once, at most 64; 8 when it is not given.",
        ),
        Parameter(
            name="collect",
            description="Evaluated at the end of each branch; `output` becomes a mapping of branch to result.",
        ),
    ),
    example={
        "state_type": "parallel",
        "branches": {"mail": {"state_type": "command", "command": "echo mail"}, "chat": "send_chat"},
        "transition": "end",
    },
)

WAIT = StateType(
    type="wait",
    aliases=("sleep", "delay"),
    description="Suspends the run for a time, until a moment, for an event or for a person's approval.",
    effect=False,
    parameters=make_parameters(
        Parameter(name="seconds", types=("number", "string"), minimum=0, description="How long, in seconds."),
        Parameter(
            name="duration",
            types=("string", "number"),
            aliases=("for",),
            description="How long, with a unit: `90s`, `5m`, `2h`, `1d`, or ISO 8601 (`PT5M`).",
        ),
        Parameter(name="until", types=("string",), description="A moment, RFC 3339."),
        Parameter(
            name="event",
            types=("object", "string"),
            description="Attributes an event must have to wake the run; a text is its `type`.",
        ),
        Parameter(name="approval", types=("string",), description="The question a person answers to wake the run."),
    ),
    example={"state_type": "wait", "duration": "5m", "transition": "check_again"},
)
WAIT_REASONS = tuple(WAIT.parameters)
"""What a wait can wait for: just one of them."""

CALL = StateType(
    type="call",
    aliases=("subflow", "call_flow"),
    description="Runs another flow as a child run; its answer becomes the output.",
    effect=True,
    parameters=make_parameters(
        Parameter(name="flow", types=("string",), required=True, description="The flow's name, or a path beside it."),
        Parameter(
            name="input",
            types=("object", "string"),
            aliases=("variables", "arguments"),
            description="Variables of the child run, by name.",
        ),
    ),
    example={"state_type": "call", "flow": "notify", "input": {"text": "{summary}"}, "output": "answer"},
)

EMIT = StateType(
    type="emit",
    description="Sends a CloudEvent.",
    effect=True,
    parameters=make_parameters(
        Parameter(
            name="type",
            types=("string",),
            required=True,
            aliases=("event_type",),
            description="The event's type, such as `com.example.order.paid`.",
        ),
        Parameter(name="data", description="The event's data."),
        Parameter(name="source", types=("string",), description="The event's source; the flow's own by default."),
        Parameter(name="subject", types=("string",), description="What the event is about."),
        Parameter(name="extensions", types=("object", "string"), description="Further CloudEvents attributes."),
    ),
    example={"state_type": "emit", "event_type": "com.example.lead.scored", "data": {"score": "{score}"}},
)

SET = StateType(
    type="set",
    aliases=("assign", "set_variables"),
    description="Assigns variables.",
    effect=False,
    parameters=make_parameters(
        Parameter(
            name="values",
            types=("object",),
            required=True,
            aliases=("variables",),
            description="Variable name to value; placeholders alone keep the type of what they name.",
        )
    ),
    example={"state_type": "set", "values": {"count": "{count + 1}"}},
)

ASSERT = StateType(
    type="assert",
    description="Fails when its condition does not hold.",
    effect=False,
    parameters=make_parameters(
        Parameter(
            name="condition",
            types=("string", "boolean"),
            required=True,
            syntax=Syntax.CONDITION,
            description="What must hold.",
        ),
        Parameter(name="message", types=("string",), description="What the error says; the condition by default."),
    ),
    example={"state_type": "assert", "condition": "len(rows) > 0", "message": "no rows came back"},
)

END = StateType(
    type="end",
    aliases=("stop", "mcp-response"),
    description="Ends the run.",
    effect=False,
    parameters=make_parameters(
        Parameter(name="result", description="What the flow answers to who called it."),
        Parameter(
            name="status",
            types=("string",),
            default="succeeded",
            enum=("succeeded", "failed"),
            description="How the run counts.",
        ),
        Parameter(
            name="message",
            types=("string",),
            description="Why, for a failed run; for any other what the flow answers, where there is no `result`.",
        ),
    ),
    example={"state_type": "end", "result": "{summary}"},
)

LISTENER = StateType(
    type=LISTENER_STATE,
    description="A listener placed in the graph, written `<source>-listener`; passes on to `transition`.",
    effect=False,
    parameters=make_parameters(
        Parameter(name="listener", types=("string",), syntax=Syntax.LITERAL, description="The source's type.")
    ),
    example={"state_type": "email-listener", "server": "{IMAP_SERVER}", "transition": "read"},
)

CONTROL: Mapping[str, StateType] = MappingProxyType(
    {kind.type: kind for kind in (IF, SWITCH, LOOP, PARALLEL, WAIT, CALL, EMIT, SET, ASSERT, END, LISTENER)}
)
"""Every state type the machine performs itself, by canonical name."""
