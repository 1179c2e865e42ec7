"""The official A2A SDK at the other end: a client that talks to our agents, an agent that our client talks to."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from intellyhub_functions.rpc.a2a_protocol import CARD_PATHS

__all__ = ["converse", "make_agent", "send"]

Result = TypeVar("Result")


def converse(
    url: str,
    work: Callable[[Any], Awaitable[Result]],
    *,
    version: str = "1.0",
    streaming: bool = False,
    polling: bool = False,
    token: str | None = None,
) -> Result:
    """What `work(client)` gives, with the SDK's client that has read the agent's card and speaks this version."""
    import httpx
    from a2a.client.card_resolver import A2ACardResolver
    from a2a.client.client import ClientConfig
    from a2a.client.client_factory import ClientFactory

    async def connect() -> Result:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(headers=headers, timeout=20) as http:
            card = await A2ACardResolver(http, url, CARD_PATHS[0]).get_agent_card()
            for interface in [each for each in card.supported_interfaces if each.protocol_version != version]:
                card.supported_interfaces.remove(interface)
            config = ClientConfig(streaming=streaming, polling=polling, httpx_client=http)
            client = ClientFactory(config).create(card)
            return await work(client)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, about itself
        return asyncio.run(connect())


async def send(client: Any, *parts: Any, metadata: dict[str, Any] | None = None, message_id: str = "m1") -> list[Any]:
    """All that comes back for a message: texts and values as parts."""
    from a2a.helpers.proto_helpers import new_data_part, new_text_part
    from a2a.types import a2a_pb2 as types
    from google.protobuf.json_format import MessageToDict

    message = types.Message(
        message_id=message_id,
        role=types.ROLE_USER,
        parts=[new_text_part(part) if isinstance(part, str) else new_data_part(part) for part in parts],
        metadata=metadata,
    )
    return [MessageToDict(answer) async for answer in client.send_message(types.SendMessageRequest(message=message))]


def make_agent(answer: Callable[[str, Any], Any], url: str = "http://agent.test") -> Any:
    """An ASGI application: an agent of the SDK, of both versions. `answer(text, data)` gives the text or the value of
    its artifact, or raises."""
    from a2a.helpers.proto_helpers import get_data_parts, get_text_parts, new_data_part, new_task, new_text_part
    from a2a.server.agent_execution.agent_executor import AgentExecutor
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.routes.agent_card_routes import create_agent_card_routes
    from a2a.server.routes.jsonrpc_routes import create_jsonrpc_routes
    from a2a.server.tasks.inmemory_task_store import InMemoryTaskStore
    from a2a.server.tasks.task_updater import TaskUpdater
    from a2a.types import a2a_pb2 as types
    from starlette.applications import Starlette

    class Executor(AgentExecutor):
        async def execute(self, context: Any, event_queue: Any) -> None:
            parts = context.message.parts
            texts, values = get_text_parts(parts), get_data_parts(parts)
            await event_queue.enqueue_event(
                new_task(context.task_id, context.context_id, types.TASK_STATE_SUBMITTED, history=[context.message])
            )
            updater = TaskUpdater(event_queue, context.task_id, context.context_id)
            await updater.start_work()
            try:
                said = await asyncio.to_thread(answer, "\n".join(texts), values[0] if values else None)
            except ValueError as fault:
                await updater.failed(updater.new_agent_message([new_text_part(str(fault))]))
                return
            part = new_text_part(said) if isinstance(said, str) else new_data_part(said)
            await updater.add_artifact([part])
            await updater.complete()

        async def cancel(self, context: Any, event_queue: Any) -> None:
            await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()

    card = types.AgentCard(name="agent", description="An agent.", version="1")
    for version in ("1.0", "0.3"):
        card.supported_interfaces.append(
            types.AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version=version)
        )
    handler = DefaultRequestHandler(agent_executor=Executor(), task_store=InMemoryTaskStore(), agent_card=card)
    return Starlette(
        routes=[
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
        ]
    )
