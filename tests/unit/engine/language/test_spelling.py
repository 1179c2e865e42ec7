"""Names as authors spell them, and the names they may have meant."""

from intellyhub_engine.catalogue.names import fold_source
from intellyhub_engine.language.spelling import did_you_mean, find_source_type, find_state_type, nearest
from tests.unit.engine.language.small import CATALOGUE


def test_a_state_type_is_found_under_every_spelling():
    for spelling in ("telegram-bot", "TELEGRAM_BOT", "telegram bot", "Telegram"):
        assert find_state_type(spelling, CATALOGUE) is CATALOGUE.states["telegram-bot"]


def test_a_state_type_nobody_has_is_none():
    assert find_state_type("nope", CATALOGUE) is None


def test_a_listener_is_found_with_and_without_its_suffix():
    for spelling in ("rss", "RSSListener", "rss-listener", "rss_listener"):
        assert find_source_type(spelling, CATALOGUE) is CATALOGUE.sources["rss"]


def test_listener_alone_is_a_name():
    assert fold_source("Listener") == "listener"


def test_the_nearest_name_is_suggested():
    assert did_you_mean("transtion", ["transition", "log"]) == "did you mean 'transition'?"


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("zzz", ["transition", "log"]) is None


def test_no_suggestion_is_looked_for_among_too_many_names():
    assert nearest("name1", [f"name{n}" for n in range(1000)]) is None
