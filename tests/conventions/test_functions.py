"""Every function folder is whole: manifest, code, example, document, test; and what they say is so."""

import json
import time
from pathlib import Path

import pytest

from intellyhub_engine.blocks.blocks import Blocks
from intellyhub_engine.catalogue.installed import installed
from intellyhub_engine.events import Event
from intellyhub_engine.journal.records import RunStatus
from intellyhub_engine.language.compile import compile_flow
from intellyhub_engine.language.load import examine
from intellyhub_engine.machine.host import Host
from intellyhub_engine.machine.run import start
from intellyhub_functions.catalogue import CATALOGUE, SOURCES, STATES
from intellyhub_functions.testing.feeds import Article, FeedServer
from intellyhub_functions.testing.server import Answer, LocalServer
from intellyhub_functions.testing.telegram_api import TelegramApi

FUNCTIONS = Path(__file__).parents[2] / "functions" / "intellyhub_functions"
FOLDERS = sorted(path.parent for path in FUNCTIONS.glob("*/*/manifest.json"))
KINDS = {row.manifest.parent: kind for kind, row in (*STATES.items(), *SOURCES.items())}


def name_of(folder):
    return f"{folder.parent.name}-{folder.name}"


def type_of(folder):
    table = CATALOGUE.states if folder.parent.name == "states" else CATALOGUE.sources
    return table[KINDS[folder]]


def test_every_folder_has_its_row_and_every_row_its_folder():
    assert set(FOLDERS) == set(KINDS)
    held = {path for room in ("states", "sources") for path in (FUNCTIONS / room).iterdir() if path.is_dir()}
    assert {path for path in held if path.name != "__pycache__"} == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_folder_has_document_example_and_where_it_is_installed_code_and_test(folder):
    assert (folder / "README.md").exists()
    assert (folder / "example.yaml").exists()
    if type_of(folder).installed:
        manifest = json.loads((folder / "manifest.json").read_text())
        assert (folder / manifest["entry_file"]).exists()
        assert (folder / f"test_{folder.name}.py").exists()
        assert callable(type_of(folder).load())


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_alias_of_a_manifest_finds_its_type(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    table = CATALOGUE.states if folder.parent.name == "states" else CATALOGUE.sources
    for spelling in (manifest.get("state_type") or manifest["listener_type"], *manifest.get("aliases", ())):
        assert table[spelling].type == KINDS[folder]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_the_document_names_every_parameter_and_every_parameter_is_described(folder):
    document = (folder / "README.md").read_text()
    for name, parameter in type_of(folder).parameters.items():
        assert f"| `{name}` |" in document, name
        assert parameter.description.endswith((".", "…")), name


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder.parent.name == "sources"], ids=name_of)
def test_a_source_has_a_sample_with_the_fields_that_it_names(folder):
    source = type_of(folder)
    assert source.event_type.startswith("io.intellyhub.")
    assert source.sample
    assert set(source.sample) <= set(source.fields)


class Service(LocalServer):
    """The service of the http example."""

    def answer(self, call):
        return Answer(status=204) if call.method == "POST" else Answer.of_json([{"id": 1}, {"id": 2}])


@pytest.fixture(scope="module")
def surroundings():
    with Blocks() as blocks, FeedServer() as feeds, TelegramApi() as telegram, Service() as service:
        feeds.publish(Article(title="News & more", link="https://example.org/1"))
        names = {
            "API_URL": service.url,
            "FEED_URL": f"{feeds.url}/feed.xml",
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_CHAT_ID": "7",
        }
        yield {"blocks": blocks}, names


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_an_example_checks_clean_and_runs(folder, tmp_path, surroundings):
    services, names = surroundings
    catalogue = installed()
    flow, problems = examine((folder / "example.yaml").read_bytes(), catalogue, name=folder.name)
    assert [str(problem) for problem in problems if type_of(folder).installed] == []
    assert flow is not None
    event = None
    if flow.listener is not None:
        source = catalogue.sources[flow.listener.type]
        event = Event(id="1", source="/sample", type=source.event_type, data=dict(source.sample))
    host = Host(now_ns=time.time_ns, catalogue=catalogue, outer=names, workspace=tmp_path, services=services)
    result = start(compile_flow(flow, catalogue), host, event=event)
    assert (result.status, result.error) == (RunStatus.SUCCEEDED, None)
    if flow.listener is not None:
        kept = (tmp_path / "seen.txt").read_text()
        assert "{" not in kept
