"""Every published flow that needs no outside account runs to its documented end.

Telegram and feeds are real HTTP servers on this machine; shell lines, Python blocks, files and decisions are the real
thing. Plugins that are published but not part of this installation answer as their documentation says they do
(FLOW_LANGUAGE.md section 4.8), so that the machine still walks every flow that uses them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.catalogue.load import combine
from intellyhub_engine.catalogue.manifest import Catalogue
from intellyhub_engine.errors import FlowInvalid
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import load_flow
from intellyhub_engine.language.values.values import TextRecord
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.result import RunResult
from intellyhub_engine.machine.run import start
from intellyhub_engine.machine.step import Outcome
from intellyhub_engine.machine.testing import path_of
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.telegram_api import TelegramApi

FLOWS = Path(__file__).resolve().parents[3] / "shared" / "flows"
TOKEN = "4242:local-bot"
PATHS = sorted(FLOWS.glob("*.yaml"))
OUTER = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "TELEGRAM_CHAT_ID": "7",
    "telegram_bot_token": TOKEN,
    "telegram_chat_id": "7",
    "sensitive_data": "a number",
}
EXAMPLE_FEED = "https://feeds.example.com/news.xml"

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
    "readme__python-code-generator__16_debug-e-logging": "debug_generation",
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
    "readme__text-to-speech__08_2-gestione-errori": "leaves out its parameters",
}

PROGRAM: dict[str, Any] = {
    "success": True,
    "generated_code": "def f(): return 1",
    "generated_tests": "assert f() == 1",
    "execution_plan": [{"title": "one", "description": "d", "components": ["c"], "dependencies": []}],
    "steps_executed": 3,
    "steps_remaining": 2,
    "plan_revisions": 0,
    "execution_time": 1.5,
    "provider": "openai",
    "model": "gpt",
    "timestamp": "2025-01-01T00:00:00",
    "workspace_path": "workspace/project",
    "performance_metrics": {
        "total_steps": 3,
        "average_step_time": 0.5,
        "step_times": [{"step": 1, "type": "plan", "time": 0.5}],
    },
}
OUTPUTS = {"code_output": "generated_code", "tests_output": "generated_tests", "plan_output": "execution_plan"}
CALLS = {"id": "b1", "name": "campaign", "status": "completed", "total_calls_scheduled": 3, "total_calls_dispatched": 3}
ANSWERS: dict[str, Any] = {
    "elasticsearch_search": {"_id": "d1"},
    "elevenlabs_batch_calling": {
        "success": True,
        "operation": "submit",
        "batch_id": "b1",
        "status": "completed",
        "batch_count": 1,
        "total_calls_scheduled": 3,
        "total_calls_dispatched": 3,
        "data": {**CALLS, "batch_calls": [CALLS], "recipients": []},
    },
    "facebook": {"post_id": "1_2", "success": True, "message": "posted"},
    "google_sheets": {"data": [["id", "name"], ["1", "Ada"]], "rows_count": 2, "matches_count": 0, "matches": []},
    "linkedin": {"results": [{"name": "Ada"}], "results_count": 1, "success": True},
    "llm_agent": TextRecord(
        {"response": "negativo", "phone_number": "+39 011", "sentiment": "negativo", "success": True}
    ),
    "mcp_neo4j": [{"person": "Ada", "friends": ["Ben"], "num_connections": 1}],
    "python_code_generator": PROGRAM,
    "speech_to_text": {"success": True, "text": "hello", "word_count": 1, "file_info": {"size_mb": 1}},
    "test_neo4j": {"success": True},
    "text_to_speech": {"success": True, "filepath": "speech.mp3"},
    "wechat": {"success": True, "errcode": 0, "errmsg": "ok", "msgid": "m1"},
}
"""What the plugins that are not installed answer."""

pytestmark = pytest.mark.skipif(not PATHS, reason="the published flows are not beside the repository")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    found = installed()
    missing = [name for name, state in found.states.items() if not state.installed]
    stubs = {
        name: replace(found.states[name], installed=True, load=partial(make_stub, ANSWERS.get(name, {"success": True})))
        for name in missing
    }
    return combine(Catalogue(states=stubs), found)


def make_stub(answer: Any) -> Any:
    """A function that gives the answer; the code generator's also under the names that the state asks for."""

    def perform(parameters: Any, step: Any) -> Outcome:
        (step.workspace / PROGRAM["workspace_path"]).mkdir(parents=True, exist_ok=True)
        asked = {parameters[name]: PROGRAM[part] for name, part in OUTPUTS.items() if name in parameters}
        return Outcome(value=answer, changes=asked)

    return perform


@pytest.fixture(scope="module")
def telegram():
    with TelegramApi(TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def feeds():
    with FeedServer() as server:
        server.publish(Article(title="What AI does", link="https://example.org/ai", published=datetime.now(UTC)))
        yield server


@pytest.fixture
def run(catalogue, telegram, feeds, tmp_path):
    """Runs a published flow on an event's data, by default on its listener's sample."""

    def run_flow(name: str, data: Any = None) -> RunResult:
        text = (FLOWS / f"{name}.yaml").read_text(encoding="utf-8")
        text = text.replace(EXAMPLE_FEED, f"{feeds.url}/feed.xml")
        flow, _ = load_flow(text, catalogue, name)
        source = catalogue.sources[flow.listener.type] if flow.listener else None
        event = source and Event(id=name, source="test", type=source.event_type, data={**source.sample, **(data or {})})
        # Many flows name a token of nobody in their own block; the caller's value wins over it.
        tokens = {name: TOKEN for name in flow.variables if "token" in name.lower()}
        outer = {**OUTER, "TELEGRAM_API_URL": telegram.url, "rss_feed_url": f"{feeds.url}/feed.xml"}
        host = Host(now_ns=time.time_ns, catalogue=catalogue, outer=outer, workspace=tmp_path)
        return start(compile_flow(flow, catalogue), host, event=event, variables=tokens)

    return run_flow


def test_every_published_flow_is_in_one_of_the_tables():
    names = [path.stem for path in PATHS]
    assert sorted(names) == sorted([*PATH_OF, *CUT_SHORT, *NOT_RUN])


@pytest.mark.parametrize("name", PATH_OF)
def test_a_published_flow_runs_to_its_end(run, name):
    result = run(name)
    first, _, last = PATH_OF[name].partition("…")
    path = " ".join(path_of(result))
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    assert path == PATH_OF[name] if not last else path.startswith(first) and path.endswith(last)


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
