"""From a push to an image that answers: a git server, a registry, PostgreSQL, the builder as a process that is killed;
and the commands of the pipelines that we give away, each really run."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner
from werkzeug.serving import make_server

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_control_plane.settings import Target
from intellyhub_functions.testing.git_server import GitServer, Repository
from intellyhub_functions.testing.package_index import only_index
from intellyhub_functions.testing.ports import free_port
from intellyhub_functions.testing.postgresql import postgresql
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.source import open_base
from intellyhub_knative.images.store import Store
from intellyhub_knative.platform.desired_records import Kind, RecordStore, StatusKind
from tests.integration.pretended_cluster.cluster import make_engine
from tests.integration.pretended_cluster.node import Node
from tests.integration.registries.strict import StrictRegistry
from tests.integration.rootfs import unpack, walls_work
from tests.integration.test_images import EVENT, ask
from tests.unit.control_plane.house import House, data_folder, journal_service

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("images")]

ROOT = Path(__file__).parents[2]
HELLO = """
name: hello
states:
  greet: {state_type: set, values: {text: "Hi {name}"}, transition: ask}
  ask: {state_type: call, flow: answer, output: found, transition: done}
  done: {state_type: end, result: {said: "{text}", found: "{found.answer}"}}
tests:
  - name: greets
    variables: {name: Ada}
    expect: {path: [greet, ask, done]}
"""
ANSWER = """
name: answer
states:
  done: {state_type: end, result: {answer: 42}}
"""
FETCH = """
name: fetch
variables: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, AWS_REGION: eu-south-1}
states:
  read: {state_type: file, action: read, path: "s3://bucket/key", error_transition: tell, transition: tell}
  tell: {state_type: end, result: {said: "{error_message}"}}
"""
BOTO = {
    "boto3/__init__.py": "",
    "botocore/__init__.py": "",
    "botocore/exceptions.py": "class BotoCoreError(Exception): ...\n\nclass ClientError(Exception): ...\n",
    "botocore/config.py": """
from intellyhub_engine.errors import PermanentError

def Config(**options):
    raise PermanentError(f"{__file__} was asked")
""",
}
"""What the package boto3 of the tests' own index holds."""
SECONDS = 40


@pytest.fixture(scope="module")
def registry():
    """One that has an engine image whose files are those of this machine, `engine:1`: test_images has real ones."""
    with StrictRegistry() as registry:
        push(make_engine(), parse(f"{registry.host}/engine:1"))
        yield registry


@pytest.fixture(scope="module")
def engine(registry):
    return f"{registry.host}/engine:1"


@contextmanager
def held_at(registry, method, part):
    """The registry waits with its first answer to such a request until the context ends; the event tells of it."""
    reached, go_on, usual = threading.Event(), threading.Event(), registry.log

    class Log(list):  # type: ignore[type-arg]
        def append(self, row):
            super().append(row)
            if row[0] == method and part in row[1] and not reached.is_set():
                reached.set()
                go_on.wait(SECONDS)

    registry.log = Log()
    try:
        yield reached
    finally:
        go_on.set()
        registry.log = usual


@pytest.fixture(scope="module")
def database_url():
    with postgresql() as socket:
        url = f"postgresql+psycopg2://postgres@/postgres?host={socket.parent}"
        database = Database(url)
        migrate(database)
        database.dispose()
        yield url


@pytest.fixture(scope="module")
def house(database_url, engine):
    """The control plane, over HTTP: `house.url`."""
    with data_folder() as layout, journal_service(layout):
        house = House(layout, database_url, target=Target.KNATIVE, engine_image=engine, inside_repositories=True)
        server = make_server("127.0.0.1", 0, house.client.application, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        house.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        yield house
        server.shutdown()
        thread.join()
        server.server_close()
        house.platform.publisher.target.store.close()  # type: ignore[attr-defined]
        house.close()


@contextmanager
def builder(house, registry, engine):
    """The builder as a process."""
    environment = {
        **os.environ,
        "INTELLYHUB_DATA": str(house.layout.data),
        "INTELLYHUB_TARGET": "knative",
        "DATABASE_URL": house.settings.database_url,
        "INTELLYHUB_ENGINE_IMAGE": engine,
        "INTELLYHUB_REGISTRY": f"{registry.host}/flows",
        "INTELLYHUB_INSIDE_REPOSITORIES": "true",
    }
    process = subprocess.Popen([sys.executable, "-m", "intellyhub_control_plane.builds"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) in (0, -9)


def await_it(look, seconds=SECONDS):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found


def tell(house, made):
    """As GitHub does."""
    body = json.dumps({"ref": "refs/heads/main"}).encode()
    signature = "sha256=" + hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
    address = f"{house.url}/api/repositories/{made['id']}/push"
    with urlopen(Request(address, body, {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push"})) as answer:
        assert answer.status == 202


def image_of(house, slug):
    """What the record of a flow names."""
    records = RecordStore(house.settings.database_url)
    try:
        found = records.records(Kind.DEPLOYMENT).values()
        return next((each["versions"][0]["image"] for each in found if each["slug"] == slug), "")
    finally:
        records.close()


@contextmanager
def served(image, folder):
    """A port at which the image's own command answers: what it adds to this machine lies where it has it."""
    if not walls_work():
        pytest.skip("no process gets a root file system of its own here")
    node, port = Node(folder / "node", []), free_port()
    unpack(image, folder / "files")
    settings = {"PORT": str(port), "INTELLYHUB_AUTH": "none", "INTELLYHUB_HOST": "127.0.0.1"}
    process = node.start(
        [(folder / "files" / "flow", "/flow")],
        {**image.environment, **settings},
        image.settings["Cmd"],
        folder / "log",
    )
    try:
        await_it(lambda: is_ready(port, process, folder / "log"))
        yield port
    finally:
        process.kill()
        process.wait()


def is_ready(port, process, log):
    assert process.poll() is None, log.read_text()
    try:
        return ask(port, "GET", "/readyz")[0] == 200
    except OSError:
        return False


def run(house, slug, folder, **variables):
    """What the image of a flow, from its registry, answers to an event."""
    folder.mkdir()
    image = open_base(image_of(house, slug), store=Store(folder=folder / "store"))
    with served(image, folder) as port:
        status, body = ask(port, "POST", "/", variables, EVENT)
    assert status == 200, body
    return json.loads(body)["output"]


def test_a_push_becomes_an_image_that_answers_also_when_the_builder_is_killed(house, registry, engine, tmp_path):
    repository = Repository(tmp_path / "git" / "flows.git")
    repository.commit({"flows/hello.yaml": HELLO, "flows/answer.yaml": ANSWER})
    ada = house.person()
    with GitServer(tmp_path / "git") as server:
        made = house.call(ada, "POST", "/api/repositories", {"url": f"{server.url}/flows.git", "path": "flows"}).json
        with builder(house, registry, engine) as process, held_at(registry, "PUT", "/manifests/") as reached:
            assert reached.wait(SECONDS)
            await_it(lambda: house.call(ada, "GET", f"/api/repositories/{made['id']}").json["pulls"])
            process.kill()
            process.wait()
        with builder(house, registry, engine):
            await_it(lambda: image_of(house, "hello") and image_of(house, "answer"))
            first = image_of(house, "hello")
            repository.commit({"flows/hello.yaml": HELLO.replace("Hi", "Hello")})
            tell(house, made)
            await_it(lambda: image_of(house, "hello") not in ("", first))
    assert run(house, "hello", tmp_path / "hello", name="Ada") == {"said": "Hello Ada", "found": 42}


@pytest.fixture(scope="module")
def at_work(house, registry, engine, tmp_path_factory):
    """A builder and a reconciler go on, and there is an index of packages."""
    with only_index(tmp_path_factory.mktemp("packages") / "index") as index:
        index.add_wheel("boto3", "1.99", BOTO)
        with cluster(house), builder(house, registry, engine):
            yield


@pytest.mark.usefixtures("at_work")
def test_what_a_built_in_function_requires_is_a_layer_of_its_flows_image_and_used(house, tmp_path):
    ada = house.person()
    flow = house.flow(ada, FETCH, "fetch")
    await_it(lambda: image_of(house, "fetch"))
    (build,) = house.call(ada, "GET", f"/api/flows/{flow['id']}/builds").json["items"]
    stages = {each["stage"]: each for each in house.call(ada, "GET", f"/api/builds/{build['id']}").json["stages"]}
    assert stages["plugins"]["message"] == "0 plugins, 1 sets of packages"
    said = run(house, "fetch", tmp_path / "fetch")["said"]
    assert said.startswith("/flow/plugins/.layers/")
    assert said.endswith("/botocore/config.py was asked")


# The pipelines that we give away


@contextmanager
def cluster(house):
    """As the reconciler does: what has an image is ready."""
    records, stop = RecordStore(house.settings.database_url), threading.Event()

    def reconcile():
        while not stop.wait(0.1):
            for flow_id, record in records.records(Kind.DEPLOYMENT).items():
                image = record["versions"][0]["image"]
                status = {"tenant_id": record["tenant_id"], "state": "ready" if image else "building", "serves": True}
                more = {"message": "", "urls": {}, "routed": {}, "source": None, "rollout": None}  # type: ignore[var-annotated]
                records.write_status(StatusKind.FLOW, flow_id, status | more)

    thread = threading.Thread(target=reconcile, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        records.close()


def github_steps():
    document = yaml.safe_load((ROOT / ".github/workflows/build-flows.yml").read_text())
    return [step["run"] for step in document["jobs"]["flows"]["steps"] if "run" in step]


def gitlab_steps():
    job = yaml.safe_load((ROOT / "ci/gitlab/build-flows.yml").read_text())["flows"]
    return [*job["before_script"], *job["script"]]


def run_steps(steps, folder, **more):
    """Each as the service does it."""
    home = folder.parent
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / "python").write_text('#!/bin/sh\necho "$@" >> "$INSTALLED"\n')  # installing is not what is tested
    (home / "bin" / "python").chmod(0o755)
    environment = {
        "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "INSTALLED": str(home / "installed"),
        "REQUIREMENT": "intellyhub",
        "INTELLYHUB_REQUIREMENT": "intellyhub",
        "FOLDER": "flows",
        "FLOWS_FOLDER": "flows",
        "CREDENTIALS": '{"auths": {}}',
        **more,
    }
    for step in steps:
        done = subprocess.run(
            ["bash", "-e", "-c", step], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}\n{done.stderr}"


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("steps", [github_steps, gitlab_steps])
def test_every_command_of_our_pipelines_does_what_it_says(house, registry, engine, tmp_path, steps):
    repository = Repository(tmp_path / "flows")
    before = repository.commit({"flows/hello.yaml": HELLO, "flows/answer.yaml": ANSWER, "flows/other.yaml": ANSWER})
    repository.commit({"flows/answer.yaml": ANSWER.replace("42", "43")})
    ada = house.person()
    place = f"{registry.host}/{steps.__name__}/{{flow}}:1"
    run_steps(
        steps(),
        repository.folder,
        SINCE=before,
        CI_COMMIT_BEFORE_SHA=before,
        CI_PIPELINE_SOURCE="push",
        INTELLYHUB_ENGINE_IMAGE=engine,
        INTELLYHUB_URL=house.url,
        INTELLYHUB_TOKEN=ada.token,
        TARGET_IMAGE=place,
        FLOWS_TO=place,
        TARGET="knative",
        FLOWS_TARGET="knative",
    )
    pushed = {name for name, reference in registry.manifests if reference == "1"}
    assert {name for name in pushed if name.startswith(steps.__name__)} == {
        f"{steps.__name__}/answer",
        f"{steps.__name__}/hello",
    }
    assert "intellyhub" in (tmp_path / "installed").read_text()
    assert (repository.folder / "changed.txt").read_text().splitlines() == ["flows/answer.yaml", "flows/hello.yaml"]
    found = house.call(ada, "GET", "/api/flows").json["items"]
    assert {each["slug"]: each["deployment"]["state"] for each in found} == {"answer": "ready", "hello": "ready"}


def test_what_is_only_proposed_is_built_and_pushed_nowhere(registry, engine, tmp_path):
    repository = Repository(tmp_path / "flows")
    repository.commit({"flows/answer.yaml": ANSWER})
    (repository.folder / "changed.txt").write_text("flows/answer.yaml\n")
    build = next(step for step in gitlab_steps() if "intellyhub build --to" in step)
    place = f"{registry.host}/proposed/{{flow}}:1"
    run_steps(
        [build],
        repository.folder,
        CI_PIPELINE_SOURCE="merge_request_event",
        FLOWS_TO=place,
        INTELLYHUB_ENGINE_IMAGE=engine,
    )
    assert "proposed/answer" not in {name for name, _ in registry.manifests}
    text = (ROOT / ".github/workflows/build-flows.yml").read_text()
    assert "TARGET_IMAGE: ${{ github.event_name != 'pull_request' && inputs.to || '' }}" in text


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-workflows", ".github/workflows/build-flows.yml"),
        ("vendor.gitlab-ci", "ci/gitlab/build-flows.yml"),
    ],
)
def test_pipelines_are_such_as_their_services_take(schema, path):
    program = ["--builtin-schema", schema, str(ROOT / path)]
    if schema.endswith("gitlab-ci"):
        program += ["--data-transform", "gitlab-ci"]
    done = CliRunner().invoke(check_jsonschema, program)
    assert done.exit_code == 0, done.output
