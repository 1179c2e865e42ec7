"""Every published flow runs to its documented end, with the services it names standing on this machine.

Shell lines, Python blocks, files and decisions are the real thing; so are the functions. The services are those of
`outside`, which refuse what the real ones refuse.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.testing import path_of
from intellyhub_functions.testing.spoken import make_sound
from tests.acceptance.outside import KEYS, SAID, TOKEN, World, outside

FLOWS = Path(__file__).resolve().parents[3] / "shared" / "flows"
PATHS = sorted(FLOWS.glob("*.yaml"))
OUTER = {
    "audio_file": "meeting.mp3",
    "facebook_token": "page-token",
    "openai_key": KEYS["openai"],
    "page_id": "77",
    "sensitive_data": "a number",
    "telegram_bot_token": TOKEN,
    "telegram_chat_id": "7",
    "voice_message_path": "workspace/recording.mp3",
}
"""What flows take from their users under names of their own."""
RECORDINGS = ("meeting.mp3", "workspace/recording.mp3", "workspace/italian_audio.wav")

PATH_OF = {
    "ex__elevenlabs-batch-calling__complete_workflow": "initialize list_existing_batches get_existing_list"
    " show_existing create_new_batch submit_batch batch_created_successfully start_monitoring_phase monitor_batch_loop"
    " get_batch_status analyze_status check_batch_status batch_monitoring_completed final_summary workflow_summary end",
    "ex__python-code-generator__advanced_sorting_algorithm": "generate_algorithm analyze_result … end",
    "ex__python-code-generator__basic_fibonacci": "generate_fibonacci show_result … end",
    "ex__python-code-generator__planning_only_mode": "plan_cache_system analyze_plan … end",
    "ex__telegram-listener__telegram_ai_assistant": "start process_ai_request validate_prompt send_thinking call_ai"
    " send_ai_response end",
    "ex__telegram-listener__telegram_ai_assistant.v2025-08-24-0c1c623": "start process_ai_request validate_prompt"
    " send_thinking call_ai send_ai_response end",
    "ex__telegram-listener__telegram_command_bot": "start handle_command cmd_unknown end",
    "ex__telegram-listener__telegram_echo_bot": "start end",
    "ex__telegram-listener__telegram_echo_bot.v2025-08-24-0c1c623": "start end",
    "ex__wechat__advanced_usage": "send_system_report check_report_status send_manager_alert send_it_notification"
    " send_summary log_completion end",
    "ex__wechat__basic_usage": "prepare_message send_notification log_success end",
    "hub__claude_md_zero_config": "query_graph",
    "hub__corrected_yaml_test": "email_listener analyze_sentiment check_negative_sentiment extract_phone_number"
    " check_phone_number batch_call_elevenlabs end",
    "hub__flow_with_microservice_dependencies": "query_graph cache_results analyze_with_ai store_in_elasticsearch"
    " send_notification end",
    "hub__readme_rss_news_monitor_en": "process_article send_notification end",
    "hub__seed_rss_news_monitor_it": "process_article send_notification end",
    "hub__test_chat_endpoint_expected": "check_rss send_notification end",
    "hub__test_output_registry_js": "telegram_listener_legacy",
    "hub__test_yaml_context_chat": "first_state end_state",
    "hub__testing_guide_neo4j": "test_connection end",
    "install__wechat__01_2-esempio-base-yaml": "send_message end",
    "manifest__rss-listener__01_monitoraggio-semplice": "start end",
    "manifest__rss-listener__03_integrazione-con-facebook": "start post_to_facebook end",
    "readme__ROOT__10_workflow-completo-con-facebook": "start success end",
    "readme__a2a-listener__01_workflow-master-invia": "trigger_child",
    "readme__a2a-listener__03_pipeline-di-elaborazione": "validate_data send_to_processing",
    "readme__a2a-listener__05_event-sourcing": "update_read_model",
    "readme__a2a-listener__07_aggregator-pattern": "aggregate_results",
    "readme__directory-listener__01_monitoraggio-base": "process_file",
    "readme__directory-listener__06_development-workflow": "run_tests code_quality deploy_if_green",
    "readme__elevenlabs-batch-calling__08_esempio-1-submit-batch-call-minimale": "create_batch_call monitor_batch end",
    "readme__elevenlabs-batch-calling__09_esempio-2-batch-call-con-oggetti-annidati": "create_advanced_batch"
    " confirm_creation end",
    "readme__google-sheets__09_workflow-completo-di-gestione-utenti": "read_users check_user_exists evaluate_search"
    " add_user user_added end",
    "readme__llm-agent__05_esempio-3-conversazione-con-memoria": "chat_start continue_chat end",
    "readme__llm-agent__07_esempio-5-generazione-contenuti-social": "generate_content review_content post_to_social"
    " end",
    "readme__mcp-listener__01_esempio-di-utilizzo": "process_ai_request",
    "readme__mcp-listener__05_ai-assistant-workflow": "understand_intent execute_action",
    "readme__mcp-listener__06_code-analysis-tool": "analyze_code provide_feedback",
    "readme__mcp-listener__07_document-processing": "extract_text summarize",
    "readme__mcp-listener__08_custom-commands": "handle_custom_command",
    "readme__mqtt-listener__01_esempio-di-utilizzo": "process_sensor_data",
    "readme__python-code-generator__02_esempio-1-generazione-fibonacci-semplice": "generate_fibonacci show_result end",
    "readme__python-code-generator__04_esempio-3-solo-pianificazione": "plan_cache_system review_plan … end",
    "readme__python-code-generator__12_esempio-completo-con-workspace": "create_project setup_project … end",
    "readme__rss-listener__04_esempio-2-filtro-per-parole-chiave": "start end",
    "readme__rss-listener__05_esempio-3-integrazione-con-facebook": "start post_to_facebook end",
    "readme__rss-listener__07_monitoraggio-multipli-feed-con-logica-diversa": "start end",
    "readme__speech-to-text__07_con-telegram-bot-trascrizione-messaggi-vocali": "transcribe_voice_message"
    " send_transcription end",
    "readme__telegram-bot__01_esempio-base": "send_message end",
    "readme__telegram-bot__03_esempio-con-messaggio-dinamico": "build_message send_alert end",
    "readme__telegram-listener__08_con-telegram-bot-per-risposte": "respond",
    "readme__telegram-listener__10_con-rss-reader-per-notifiche": "check_news",
    "readme__wechat__13_esempio-sicuro": "validate_data send_secure end",
}
"""The way each flow goes on the sample event of its listener."""

CUT_SHORT = {
    "hub__prompt_email_marketing": "schedule_followup",
    "install__speech-to-text__01_esempio-base": "next_step",
    "readme__facebook__02_post-semplice": "next_step",
    "readme__linkedin__06_esempio-2-ricerca-aziende-con-filtri": "analyze_companies",
    "readme__linkedin__10_esempio-6-ricerca-multi-citt": "final_analysis",
    "readme__linkedin__14_esempio-10-monitoraggio-competitor": "save_intelligence",
    "readme__speech-to-text__02_esempio-con-lingua-specifica": "analyze_text",
    "readme__speech-to-text__03_esempio-da-url-remoto": "save_subtitles",
    "readme__speech-to-text__06_con-llm-agent-analisi-testo": "send_summary",
    "readme__speech-to-text__08_esempio-gestione-errori": "process_success",
    "readme__telegram-listener__02_configurazione-avanzata": "process_message",
    "readme__text-to-speech__03_esempio-con-voce-personalizzata": "success",
}
"""Fragments of documentation: they run as far as their text goes, to this state that it does not show."""

NOT_RUN = {
    "hub__claude_md_required_sections": "a template with placeholders for types",
    "hub__malformed_yaml_test": "published as an example of a text that must be refused",
    "microservices": "not a flow",
    "readme__ROOT__09_2-utilizzo-nel-yaml": "names a type `mio_plugin` that stands for any",
    "readme__rss-reader__07_con-email-plugin": "one state of a larger flow: needs its articles and a mail account",
    "readme__python-code-generator__16_debug-e-logging": "leaves out its parameters",
    "readme__text-to-speech__08_2-gestione-errori": "leaves out its parameters",
}

NEVER_PUBLISHED = {
    "readme__a2a-listener__07_aggregator-pattern": "collect",
    "readme__mcp-listener__07_document-processing": "document-parser",
}
"""Flows with a state whose code nobody ever published: they are read, and say what is missing when they come to it."""

pytestmark = pytest.mark.skipif(not PATHS, reason="the published flows are not beside the repository")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return installed()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with outside() as world:
        yield world


@pytest.fixture
def telegram(world):
    world.telegram.sent.clear()
    return world.telegram


@pytest.fixture
def workspace(tmp_path):
    """With the recordings that published flows name."""
    for name in RECORDINGS:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(make_sound(SAID))
    return tmp_path


@pytest.fixture
def run(catalogue, world, workspace):
    """Runs a published flow on an event's data, by default on its listener's sample."""

    def run_flow(name: str, data: Any = None) -> RunResult:
        text = (FLOWS / f"{name}.yaml").read_text(encoding="utf-8")
        for published, here in world.addresses.items():
            text = text.replace(published, here)
        flow, _ = load_flow(text, catalogue, name)
        source = catalogue.sources[flow.listener.type] if flow.listener else None
        event = source and Event(id=name, source="test", type=source.event_type, data={**source.sample, **(data or {})})
        # Many flows name keys of nobody in their own block; the caller's value wins over it.
        given = {own: key for own in flow.variables for part, key in KEYS.items() if part in own.lower()}
        outer = {**OUTER, **world.names, "rss_feed_url": f"{world.feeds.url}/feed.xml"}
        host = Host(now_ns=time.time_ns, catalogue=catalogue, outer=outer, workspace=workspace)
        return start(compile_flow(flow, catalogue), host, event=event, variables=given)

    return run_flow


def test_every_published_flow_is_in_one_of_the_tables():
    names = [path.stem for path in PATHS]
    assert sorted(names) == sorted([*PATH_OF, *CUT_SHORT, *NOT_RUN])


@pytest.mark.parametrize("name", [name for name in PATH_OF if name not in NEVER_PUBLISHED])
def test_a_published_flow_runs_to_its_end(run, name):
    result = run(name)
    first, _, last = PATH_OF[name].partition("…")
    path = " ".join(path_of(result))
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    assert path == PATH_OF[name] if not last else path.startswith(first) and path.endswith(last)


@pytest.mark.parametrize("name", NEVER_PUBLISHED)
def test_a_flow_that_needs_what_was_never_published_says_so(run, name):
    result = run(name)
    said = result.error or result.variables["error_message"]  # one of them has an error edge
    assert f"{NEVER_PUBLISHED[name]!r} is known, but not part of this installation" in said


@pytest.mark.parametrize("name", CUT_SHORT)
def test_a_fragment_runs_as_far_as_its_text_goes(run, name):
    result = run(name)
    assert result.status is RunStatus.FAILED
    assert repr(CUT_SHORT[name]) in result.error
    assert "which the flow does not have" in result.error


@pytest.mark.parametrize("name", [name for name in NOT_RUN if not name.startswith("readme__rss-reader")])
def test_what_is_no_complete_flow_is_refused(catalogue, name):
    with pytest.raises(FlowInvalid):
        load_flow((FLOWS / f"{name}.yaml").read_bytes(), catalogue, name)


def test_the_news_monitor_tells_what_matters_and_leaves_the_rest(run, telegram):
    telegram.sent.clear()
    told = run(
        "hub__seed_rss_news_monitor_it", {"title": "Automation on a farm", "author": "Ada", "summary": "x" * 300}
    )
    left = run("hub__seed_rss_news_monitor_it", {"title": "Gardens in autumn"})
    assert path_of(told) == ("process_article", "send_notification", "end")
    assert path_of(left) == ("process_article", "end")
    (message,) = telegram.sent
    assert "Automation on a farm" in message["text"]
    assert "x" * 200 + "..." in message["text"]
    assert "x" * 201 not in message["text"]


def test_a_chat_message_is_echoed_and_never_evaluated(run, telegram):
    telegram.sent.clear()
    text = "it's {TELEGRAM_BOT_TOKEN} {{7*7}} $(id) '; import os #"
    run("ex__telegram-listener__telegram_echo_bot.v2025-08-24-0c1c623", {"text": text, "message": text})
    assert telegram.sent[-1]["text"].endswith(text)


@pytest.mark.parametrize("command", ["/start", "/help", "/time", "/info", "/ping", "/unknown"])
def test_the_command_bot_answers_every_command(run, telegram, command):
    telegram.sent.clear()
    result = run("ex__telegram-listener__telegram_command_bot", {"text": command, "message": command})
    assert path_of(result)[2] == f"cmd_{command[1:]}"
    assert result.status is RunStatus.SUCCEEDED, result.error
    assert len(telegram.sent) == 1


def test_what_a_campaign_knows_of_its_customers_reaches_the_agent(run, world):
    result = run("readme__elevenlabs-batch-calling__09_esempio-2-batch-call-con-oggetti-annidati")
    batch = world.elevenlabs.batches[result.variables["advanced_batch"]["batch_id"]]
    assert [person["phone_number"] for person in batch["recipients"]] == ["+1234567890", "+0987654321"]
    known = batch["recipients"][0]["conversation_initiation_client_data"]["dynamic_variables"]
    assert (known["company"], known["tags"], known["account_value"]) == (
        "Italian Corp",
        "italian, enterprise",
        "1000000",
    )
