"""A cluster on one machine: `with Cluster(folder) as cluster`, and the platform is installed in it, as
`kubectl apply -k knative/platform` would, and works."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import yaml

from intellyhub_control_plane.database.database import Database
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_knative.images.destination import parse, push
from intellyhub_knative.images.image import Image
from intellyhub_knative.images.source import this_platform
from tests.integration.postgresql_server import PostgresqlServer
from tests.integration.pretended_cluster.kubelet import ISSUER, Kubelet, Pod, is_platform
from tests.integration.pretended_cluster.node import ROOT, Node, image_environment
from tests.integration.pretended_cluster.serving import Serving
from tests.integration.pretended_cluster.user import User
from tests.integration.registries.strict import StrictRegistry
from tests.unit.knative.cluster.api_server import ApiServer, Key, Object, running
from tests.unit.knative.installer.rendered import render

__all__ = ["NAMESPACE", "Cluster"]

NAMESPACE = "intellyhub"
ADMINISTRATOR = "a password for tests"
PATIENCE_SECONDS = 60.0
IRREGULAR = {"NetworkPolicy": "networkpolicies", "PodDisruptionBudget": "poddisruptionbudgets"}
Answer = TypeVar("Answer")


class Cluster:
    """Its control plane, its node and Knative live in a thread of their own, as does the event loop that they share."""

    def __init__(self, overlay: str = "overlays/development", **variables: str) -> None:
        self.overlay = overlay
        self.variables = variables
        """What an operator has changed in the platform's ConfigMap."""
        self._begun, self._over = threading.Event(), threading.Event()
        self._fault: BaseException | None = None

    def __enter__(self) -> Cluster:
        self.folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="ihc"))
        self.database = PostgresqlServer().__enter__()
        self.registry = StrictRegistry().__enter__()
        self.engine = push(make_engine(), parse(f"{self.registry.host}/engine:1"))
        for name in ("hub", "journal"):
            self.database.ask(f"CREATE DATABASE {name}")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="cluster")
        self._thread.start()
        assert self._begun.wait(120)
        if self._fault is not None:
            self.__exit__()
            raise self._fault
        return self

    def __exit__(self, *fault: object) -> None:
        self._over.set()
        self._thread.join(30)
        self.registry.__exit__()
        self.database.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _live(self) -> None:
        self.loop = asyncio.get_running_loop()
        try:
            self.api = ApiServer()
            node = Node(self.folder, [self.database.socket.parent])
            self.kubelet = Kubelet(self.api, node, self.folder, self.given_variables)
            self.serving = Serving(self.api, self.kubelet)
            async with running(self.api) as self.api_address, self.serving:
                ingress = f"127.0.0.1:{self.serving.port}"
                self.kubelet.addresses["knative-eventing", "broker-ingress"] = ingress
                try:
                    await self._install()
                    self._begun.set()
                    await self.loop.run_in_executor(None, self._over.wait)
                finally:
                    self.kubelet.close()
        except BaseException as fault:
            self._fault = fault
            self._begun.set()
            raise

    def given_variables(self) -> dict[str, str]:
        """What takes the place of names and certificates that a cluster has and we have not."""
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(make_kubeconfig(self.api_address)))
        (self.folder / "jwks").write_text(json.dumps(self.kubelet.jwks))
        shared = self.database.socket.parent  # the only folder of /tmp that pods see
        for name in ("kubeconfig", "jwks"):
            shutil.copy(self.folder / name, shared / name)
        return {
            "INTELLYHUB_BROKER_URL": f"http://127.0.0.1:{self.serving.port}/{{namespace}}/{{broker}}",
            "INTELLYHUB_CLUSTER_GATEWAY": f"127.0.0.1:{self.serving.port}",
            "INTELLYHUB_TOKEN_ISSUER": ISSUER,
            "INTELLYHUB_TOKEN_JWKS": str(shared / "jwks"),
            "KUBE_CONFIG_PATH": str(shared / "kubeconfig"),
            "INTELLYHUB_ENGINE_IMAGE": self.engine,
            "INTELLYHUB_REGISTRY": f"{self.registry.host}/flows",
        }

    # The installation

    async def _install(self) -> None:
        manifests = json.loads(json.dumps(render(self.overlay)))
        for each in manifests:
            if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith("platform-"):
                each["data"] |= self.variables
        self.apply(each for each in manifests if each["kind"] == "Namespace")
        self.apply([make_database_secret(self.database.url)])
        self.apply(each for each in manifests if each["kind"] in ("ConfigMap", "ServiceAccount"))
        self.apply(each for each in manifests if each["kind"] == "Service" and each["apiVersion"] == "v1")
        await self._make_secrets()
        await asyncio.to_thread(self._migrate)
        pods = [self.make_pod(each) for each in manifests if each["kind"] == "Deployment" and is_ours(each)]
        assert {"api", "gateway", "journal", "forwarder", "reconciler", "builder"} <= {pod.name for pod in pods}
        for pod in pods:
            self.kubelet.start(pod)
        for pod in pods:
            await self.kubelet.until_ready(pod, self.serving._session)
        self.apply(each for each in manifests if "serving.knative.dev" in each["apiVersion"])

    def apply(self, manifests: Iterable[Object]) -> None:
        for each in manifests:
            kind = each["kind"]
            plural = IRREGULAR.get(kind, kind.lower() + "s")
            about = each["metadata"]
            group = each["apiVersion"].rpartition("/")[0]
            self.api.store(Key(group, plural, about.get("namespace"), about["name"]), json.loads(json.dumps(each)))

    async def _make_secrets(self) -> None:
        """The Job, with the address of this API server."""
        from intellyhub_knative.installer.__main__ import main

        mount = self.folder / "serviceaccount"
        mount.mkdir()
        (mount / "token").write_text("t")
        (mount / "namespace").write_text(NAMESPACE)
        arguments = ["--server", self.api_address, "--mount", str(mount)]
        assert await asyncio.to_thread(main, arguments) == 0

    def _migrate(self) -> None:
        """The Job."""
        database = Database(self.hub_url.replace("postgresql://", "postgresql+psycopg2://"))
        migrate(database)
        database.dispose()

    def make_pod(self, deployment: Object) -> Pod:
        template = json.loads(json.dumps(deployment["spec"]["template"]))
        return self.kubelet.make_pod(
            NAMESPACE, deployment["metadata"]["name"], template["metadata"]["labels"], template["spec"]
        )

    # What tests do with it

    def run(self, work: Coroutine[Any, Any, Answer], seconds: float = PATIENCE_SECONDS) -> Answer:
        """In the cluster's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def tell(self, what: Callable[[], Answer]) -> Answer:
        """A function, in the cluster's thread."""

        async def call() -> Answer:
            return what()

        return self.run(call())

    def platform_pod(self, name: str) -> Pod:
        return next(pod for pod in self.kubelet.pods if pod.namespace == NAMESPACE and pod.name == name)

    def flow_pods(self, slug: str, user: User | None = None) -> list[Pod]:
        """Those that live, of one tenant or of all."""
        start = f"ih-{user.slug}-" if user is not None else ""
        pods = [pod for pod in list(self.kubelet.pods) if pod.name.startswith(f"{slug}-") and pod.lives]
        return [pod for pod in pods if pod.namespace.startswith(start)]

    def wake(self, slug: str, user: User) -> Pod:
        """A pod of a flow, started where none runs."""
        found = next(
            each["metadata"]
            for each in self.of("revisions")
            if each["metadata"]["namespace"] == user.namespace(self) and each["metadata"]["name"].startswith(f"{slug}-")
        )
        return self.run(self.serving.pod_of((found["namespace"], found["name"])))

    def all_keys(self) -> list[Key]:
        """Of every object."""
        return self.tell(lambda: list(self.api.objects))

    @property
    def hub_url(self) -> str:
        """The control plane's database."""
        return self.database.url.replace("/postgres?", "/hub?")

    def ask_hub(self, statement: str, *values: Any) -> None:
        with closing(psycopg2.connect(self.hub_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)

    def restart(self, name: str) -> None:
        """Kill a pod of the platform (SIGKILL), and let the kubelet start its container once more."""
        pod = self.platform_pod(name)
        pod.kill()
        self.tell(lambda: self.kubelet.start(pod))
        self.run(self.kubelet.until_ready(pod, self.serving._session))

    def to_zero(self) -> None:
        """Nobody has asked anything for a while."""
        self.run(self.serving.to_zero())

    def names(self, plural: str, namespace: str | None = None) -> list[str]:
        return self.tell(lambda: self.api.names(plural, namespace))

    def of(self, plural: str, namespace: str | None = None) -> list[Object]:
        return self.tell(lambda: json.loads(json.dumps(self.api.of(plural, namespace))))

    def tick(self, slug: str) -> int:
        """Let a flow's PingSource tick."""
        [source] = [each for each in self.of("pingsources") if each["metadata"]["name"].startswith(f"{slug}-")]
        about = source["metadata"]
        return self.run(self.serving.tick(about["namespace"], about["name"]), 90)

    def complaints(self) -> list[str]:
        """Pods that met what nobody had thought of."""
        written = {pod.folder.name: pod.log.read_text() for pod in self.kubelet.every if pod.log.exists()}
        return [
            f"{name}: {text[text.index('Traceback') :][:3000]}" for name, text in written.items() if "Traceback" in text
        ]

    @property
    def url(self) -> str:
        """The one public address."""
        pod = self.platform_pod("gateway")
        return f"http://{pod.address}:{pod.port('http')}"

    def until(self, holds: Callable[[], Any], what: str = "", seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait; what it gave in the end."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, what or holds
            time.sleep(0.03)
        return found


def is_ours(deployment: Object) -> bool:
    """Whether its pods are the platform's: databases and registries of an installation are those of the tests here."""
    return all(is_platform(each["image"]) for each in deployment["spec"]["template"]["spec"]["containers"])


def make_engine() -> Image:
    """The engine image without its files, which are those of this machine."""
    import platform

    system, architecture = this_platform().split("/")
    variables = image_environment(ROOT / "engine" / "Dockerfile")
    settings = {
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Cmd": ["python", "-m", "intellyhub_engine.serving"],
        "Labels": {"intellyhub.dev/python": platform.python_version()},
        "User": "65532:65532",
    }
    return Image(config={"os": system, "architecture": architecture, "config": settings}, layers=())


def make_database_secret(url: str) -> Object:
    """As whoever installs on a PostgreSQL of their own makes it."""
    hub, journal = url.replace("/postgres?", "/hub?"), url.replace("/postgres?", "/journal?")
    given = {"DATABASE_URL": hub, "INTELLYHUB_DATABASE_URL": hub, "INTELLYHUB_JOURNAL_DATABASE_URL": journal}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in given.items()}
    about = {"name": "intellyhub-database", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": encoded}


def make_kubeconfig(server: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
