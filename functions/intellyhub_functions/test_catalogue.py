"""What the package's table says: every spelling finds its type, what is only known by name says so."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

import pytest

from intellyhub_engine.catalogue.manifest import SourceType, StateType
from intellyhub_functions.catalogue import CATALOGUE
from intellyhub_functions.published import PUBLISHED


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("telegram", "telegram-bot"),
        ("telegram_bot", "telegram-bot"),
        ("rss", "rss_reader"),
        ("shell", "command"),
        ("llm", "llm_agent"),
        ("LLM-Agent", "llm_agent"),
        ("google-sheets", "google_sheets"),
        ("text-to-speech", "text_to_speech"),
    ],
)
def test_published_spellings_of_a_state_type_are_known(spelling, name):
    assert CATALOGUE.states[spelling].type == name


@pytest.mark.parametrize(
    "spelling", ["rsslistener", "telegram-listener", "pollingdirectorylistener", "webhook", "cron"]
)
def test_published_spellings_of_a_listener_are_known(spelling):
    assert CATALOGUE.sources[spelling].installed


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_type_is_known_by_name_and_accepts_any_parameter(name):
    kind = CATALOGUE.states[name]
    assert (kind.type, kind.installed, kind.open_parameters, kind.load) == (name, False, True, None)


def test_keys_and_tokens_are_secrets_everywhere():
    kinds: list[StateType | SourceType] = [*CATALOGUE.states.values(), *CATALOGUE.sources.values()]
    for kind in kinds:
        for name, parameter in kind.parameters.items():
            if name.endswith(("token", "password", "secret", "api_key")):
                assert parameter.secret, f"{kind.type}.{name}"
