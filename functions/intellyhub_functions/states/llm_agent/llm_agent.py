"""The `llm_agent` state: asks a model until it has answered, with the tools it wants used in between, or has a
LangChain chain ask it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from intellyhub_engine.errors import PermanentError, StepFailed
from intellyhub_engine.language.values.values import TextRecord, text_of, wrap
from intellyhub_engine.machine.step import Outcome, Step
from intellyhub_functions.models.model import Model, open_model
from intellyhub_functions.models.question import Finish, Message, Reply, Role
from intellyhub_functions.models.shaping import Shape, make_shape
from intellyhub_functions.states.llm_agent.conversation import Conversation, open_conversation
from intellyhub_functions.states.llm_agent.tools import Toolbox, open_tools

__all__ = ["CHAIN_WITH_TOOLS", "perform"]

RESPONSE_KEY = "llm_response"
CHAIN_WITH_TOOLS = "a chain brings its own tools: leave out `tools`, or the `chain`"
MOST_TURNS = 10
"""Where the flow names no `max_turns`."""


def perform(parameters: Mapping[str, Any], step: Step) -> Outcome:
    """The model's answer, as a text that is also a record. A failure leaves a record with `success: false`."""
    began = time.monotonic()
    model = open_model(parameters, step)
    try:
        shape = make_shape(parameters)
        conversation = open_conversation(parameters, step)
        prompt = prompt_of(parameters, step)
        used: list[dict[str, Any]] = []
        if parameters.get("chain"):
            reply, answer = answer_of_chain(model, prompt, conversation, shape, parameters, step)
        else:
            with open_tools(parameters, step) as toolbox:
                messages = make_messages(parameters, prompt, conversation, shape, model)
                reply, answer = answer_of(model, messages, toolbox, shape, parameters)
                used = toolbox.used
        changes = conversation.keep(prompt, reply.text, model)
    except StepFailed as fault:
        if fault.result is None:
            fault.result = make_failure(model, fault)
        raise
    result = make_result(parameters, model, reply, answer, used, time.monotonic() - began)
    if step.output is None:
        changes[text_of(parameters.get("response_key") or RESPONSE_KEY)] = result
    return Outcome(value=result, changes=changes)


def prompt_of(parameters: Mapping[str, Any], step: Step) -> str:
    """What the model is asked: `input` where there is one, else `user_prompt`, in which `{input}` stands for it."""
    given = parameters.get("input")
    prompt = text_of(parameters.get("user_prompt") or "")
    if given is None and (not prompt.strip() or "{input}" in prompt):
        given = step.scope.get("input")
    if given is not None:
        prompt = prompt.replace("{input}", text_of(given)) if "{input}" in prompt else text_of(given)
    if not prompt.strip():
        raise PermanentError("there is nothing to ask: give user_prompt")
    return prompt


def make_messages(
    parameters: Mapping[str, Any], prompt: str, conversation: Conversation, shape: Shape | None, model: Model
) -> list[Message]:
    """What the model reads: its instructions, what was said before, the prompt."""
    system = text_of(parameters.get("system_prompt") or "").strip()
    hint = shape.hint(model.endpoint.interface) if shape is not None else ""
    instructions = "\n\n".join(filter(None, [system, conversation.summary, hint]))
    if not parameters.get("chat_mode", True):
        whole = "\n\n".join(filter(None, [instructions, *(turn.text for turn in conversation.turns), prompt]))
        return [Message(role=Role.USER, text=whole)]
    first = [Message(role=Role.SYSTEM, text=instructions)] if instructions else []
    return [*first, *conversation.turns, Message(role=Role.USER, text=prompt)]


def answer_of(
    model: Model, messages: list[Message], toolbox: Toolbox, shape: Shape | None, parameters: Mapping[str, Any]
) -> tuple[Reply, Any]:
    """The last answer, and its value where it has a shape. Tools are used as the model wants; an answer out of shape
    is asked for again with what is wrong about it."""
    turns = int(parameters.get("max_turns") or MOST_TURNS)
    repairs = int(2 if parameters.get("repairs") is None else parameters["repairs"])
    schema = shape.asked if shape is not None else None
    for _ in range(turns + repairs):
        reply = model.ask(*messages, tools=toolbox.tools, schema=schema)
        messages.append(Message(role=Role.ASSISTANT, text=reply.text, calls=reply.calls, raw=reply.raw))
        if reply.calls:
            turns -= 1
            if turns < 1:
                raise PermanentError(f"the model still wants tools after {len(toolbox.used)} calls (max_turns)")
            messages += [Message(role=Role.TOOL, text=toolbox.use(call), call_id=call.id) for call in reply.calls]
            continue
        refuse_unfinished(reply, shape)
        if shape is None:
            return reply, None
        value, fault = shape.read(reply.text)
        if fault is None:
            return reply, value
        if repairs < 1:
            raise PermanentError(f"the model's answer is not of the shape asked for: {fault}")
        repairs -= 1
        messages.append(Message(role=Role.USER, text=shape.complaint(fault)))
    raise PermanentError("the model has not answered (max_turns)")


def answer_of_chain(
    model: Model,
    prompt: str,
    conversation: Conversation,
    shape: Shape | None,
    parameters: Mapping[str, Any],
    step: Step,
) -> tuple[Reply, Any]:
    """What a LangChain chain makes of the prompt; it asks the state's model as often as it wants to."""
    from intellyhub_functions.langchain.work import run_chain

    if parameters.get("tools"):
        raise PermanentError(CHAIN_WITH_TOOLS)
    given = {"input": prompt, "system_prompt": text_of(parameters.get("system_prompt") or "")}
    given |= parameters.get("chain_input") or {}
    requirements = parameters.get("requirements")
    text, data = run_chain(parameters["chain"], given, conversation.turns, model, requirements, step)
    reply = Reply(text=text if data is None else json.dumps(data, ensure_ascii=False, default=text_of))
    if shape is None:
        return reply, data
    value, fault = shape.read(reply.text)
    if fault is not None:
        raise PermanentError(f"the chain's answer is not of the shape asked for: {fault}")
    return reply, value


def refuse_unfinished(reply: Reply, shape: Shape | None) -> None:
    """Raise PermanentError for an answer that is none."""
    if reply.finish is Finish.FILTERED:
        raise PermanentError(f"the provider held the answer back{': ' if reply.text else ''}{reply.text[:300]}")
    if reply.finish is Finish.LENGTH and (shape is not None or not reply.text.strip()):
        raise PermanentError("the answer was cut off at max_tokens: allow more")


def make_result(
    parameters: Mapping[str, Any], model: Model, reply: Reply, answer: Any, used: list[dict[str, Any]], seconds: float
) -> TextRecord:
    """The record of section 4.6, with what the call used; the text is also found under `response_key`."""
    entries: dict[str, Any] = {
        "response": reply.text,
        "success": True,
        "provider": model.endpoint.provider,
        "model": model.endpoint.model,
        "execution_time": round(seconds, 3),
        "timestamp": now(),
        "finish_reason": reply.finish.value,
        "usage": model.purse.usage(),
    }
    if used:
        entries["tool_calls"] = used
    if answer is not None:
        entries["data"] = answer
    key = text_of(parameters.get("response_key") or "").strip()
    record = TextRecord(entries if not key or key in entries else {**entries, key: reply.text}, "response")
    wrapped: TextRecord = wrap(record)
    return wrapped


def make_failure(model: Model, fault: StepFailed) -> dict[str, Any]:
    """What a failed call leaves in the state's output."""
    return {
        "success": False,
        "error": str(fault),
        "provider": model.endpoint.provider,
        "model": model.endpoint.model,
        "timestamp": now(),
    }


def now() -> str:
    return datetime.now(UTC).isoformat()
