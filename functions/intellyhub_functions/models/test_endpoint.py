"""Where a model is asked: published spellings, what tenants configure, what is missing."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.errors import PermanentError
from intellyhub_functions.models.endpoint import make_endpoint

KEYS = {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2", "HUGGINGFACE_API_TOKEN": "hf"}


@pytest.mark.parametrize(
    ("parameters", "url", "model"),
    [
        ({}, "https://api.openai.com/v1/responses", "gpt-4.1-nano"),
        ({"api": "chat"}, "https://api.openai.com/v1/chat/completions", "gpt-4.1-nano"),
        ({"provider": "Anthropic"}, "https://api.anthropic.com/v1/messages", "claude-haiku-4-5"),
        ({"provider": "ollama"}, "http://localhost:11434/v1/chat/completions", "llama3.2"),
        ({"provider": "ollama", "base_url": "http://o:1/"}, "http://o:1/v1/chat/completions", "llama3.2"),
        ({"base_url": "https://llm.example/api/v1"}, "https://llm.example/api/v1/chat/completions", "gpt-4.1-nano"),
        ({"base_url": "https://api.openai.com/v1"}, "https://api.openai.com/v1/responses", "gpt-4.1-nano"),
        (
            {"base_url": "https://x.example/v1/chat/completions"},
            "https://x.example/v1/chat/completions",
            "gpt-4.1-nano",
        ),
        ({"provider": "vLLM", "base_url": "http://v/v1", "model": "q"}, "http://v/v1/chat/completions", "q"),
        (
            {"provider": "hugging-face", "model": "m"},
            "https://router.huggingface.co/v1/chat/completions",
            "m",
        ),
    ],
)
def test_an_endpoint_is_made_of_what_is_given(parameters, url, model):
    endpoint = make_endpoint(parameters, KEYS.get)
    assert (endpoint.url, endpoint.model) == (url, model)


def test_a_key_is_taken_from_the_tenant_where_the_placeholder_was_not_filled():
    endpoint = make_endpoint({"api_key": "{OPENAI_API_KEY}", "provider": ""}, KEYS.get)
    assert (endpoint.key, endpoint.provider) == ("sk-1", "openai")


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({}, "openai wants a key: give api_key, or set OPENAI_API_KEY as a secret"),
        ({"provider": "acme"}, "the provider 'acme' is not known; there are openai, anthropic"),
        ({"provider": "compatible"}, "'compatible' needs a base_url"),
        ({"provider": "compatible", "base_url": "http://x"}, "'compatible' needs a model"),
    ],
)
def test_what_is_missing_is_named(parameters, fault):
    with pytest.raises(PermanentError, match=fault):
        make_endpoint(parameters, lambda name: None)
