"""Where a model is asked: the provider's interface, address, key and model, from a state's parameters and what its
tenant has configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from intellyhub_engine.errors import PermanentError
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.language.values.values import text_of
from intellyhub_functions.models import chat, messages, responses
from intellyhub_functions.parameters import is_unfilled

__all__ = ["PROVIDERS", "Endpoint", "make_endpoint"]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What is known of a provider."""

    base_url: str
    interface: str
    """`responses`, `chat` or `messages`."""
    model: str | None
    """Where the flow names none; None: it has to."""
    key: str | None
    """The variable that holds its key; None: it needs none."""
    address: str
    """The variable that holds another address."""
    is_free: bool = False
    """It runs on one's own machine."""


PROVIDERS = {
    "openai": Provider(
        base_url="https://api.openai.com/v1",
        interface="responses",
        model="gpt-4.1-nano",
        key="OPENAI_API_KEY",
        address="OPENAI_BASE_URL",
    ),
    "anthropic": Provider(
        base_url="https://api.anthropic.com/v1",
        interface="messages",
        model="claude-haiku-4-5",
        key="ANTHROPIC_API_KEY",
        address="ANTHROPIC_BASE_URL",
    ),
    "ollama": Provider(
        base_url="http://localhost:11434",
        interface="chat",
        model="llama3.2",
        key=None,
        address="OLLAMA_BASE_URL",
        is_free=True,
    ),
    "huggingface": Provider(
        base_url="https://router.huggingface.co/v1",
        interface="chat",
        model=None,
        key="HUGGINGFACE_API_TOKEN",
        address="HUGGINGFACE_BASE_URL",
    ),
    "compatible": Provider(base_url="", interface="chat", model=None, key=None, address="LLM_BASE_URL", is_free=True),
}
WIRES = {"chat": chat, "messages": messages, "responses": responses}
"""The modules that speak the interfaces: `PATH`, `make_headers`, `make_body`, `Reading`, `read`."""
SPELLINGS = {
    "hugging_face": "huggingface",
    "claude": "anthropic",
    "vllm": "compatible",
    "llama_cpp": "compatible",
    "llamacpp": "compatible",
    "openai_compatible": "compatible",
}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One place to ask."""

    provider: str
    interface: str
    url: str
    """Of the interface's one path."""
    key: str | None
    model: str
    is_free: bool

    @property
    def wire(self) -> ModuleType:
        """The module that speaks the interface."""
        return WIRES[self.interface]


def make_endpoint(parameters: Mapping[str, Any], find: Callable[[str], Any]) -> Endpoint:
    """The endpoint for `provider`, `model`, `base_url`, `api_key` and `api`; what they leave open `find` gives by
    variable. Raises PermanentError where something is missing."""
    name = provider_of(parameters)
    provider = PROVIDERS[name]
    given = filled(parameters.get("base_url")) or filled(find(provider.address))
    if not given and not provider.base_url:
        raise PermanentError(f"the provider {name!r} needs a base_url")
    interface = parameters.get("api") or interface_of(provider, given)
    key = filled(parameters.get("api_key")) or (filled(find(provider.key)) if provider.key else None)
    if key is None and provider.key and not given:
        raise PermanentError(f"{name} wants a key: give api_key, or set {provider.key} as a secret")
    model = filled(parameters.get("model")) or provider.model
    if model is None:
        raise PermanentError(f"the provider {name!r} needs a model")
    url = with_version(given or provider.base_url, name) + WIRES[interface].PATH
    return Endpoint(provider=name, interface=interface, url=url, key=key, model=model, is_free=provider.is_free)


def provider_of(parameters: Mapping[str, Any]) -> str:
    written = filled(parameters.get("provider")) or "openai"
    folded = written.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    name = SPELLINGS.get(folded, folded)
    if name not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        raise PermanentError(
            f"the provider {written!r} is not known; there are {known}. Servers that speak as OpenAI does are "
            "'compatible', with their base_url"
        )
    return name


def interface_of(provider: Provider, given: str | None) -> str:
    """Servers that imitate OpenAI speak Chat Completions; OpenAI itself speaks Responses too."""
    if provider.interface == "responses" and given and urlsplit(given).hostname != "api.openai.com":
        return "chat"
    return provider.interface


def with_version(address: str, provider: str) -> str:
    """The address up to the interfaces: published flows write Ollama's and Anthropic's without `/v1`."""
    base = address.rstrip("/")
    for wire in WIRES.values():
        base = base.removesuffix(wire.PATH)
    bare = urlsplit(base).path in ("", "/")
    return f"{base}/v1" if bare and provider in ("ollama", "anthropic", "openai") else base


def filled(value: Any) -> str | None:
    """The text; None where it is empty, or a placeholder that nothing filled."""
    text = "" if value is None else text_of(value).strip()
    return None if not text or is_unfilled(text) else text
