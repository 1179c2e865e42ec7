"""The kubelet: pods' specifications as processes, with the environment and the volumes that these say."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from intellyhub_knative.images.image import Image
from intellyhub_knative.images.source import open_base
from intellyhub_knative.images.store import Store
from tests.integration.pods import Mount
from tests.integration.pretended_cluster.node import ROOT, Node, image_environment
from tests.unit.knative.cluster.api_server import ApiServer, Key, Object

__all__ = ["ISSUER", "Kubelet", "Pod", "is_platform"]

ISSUER = "https://cluster.test"
PLATFORM = "intellyhub-control-plane"
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
ADDRESS = re.compile(rf"http://({LABEL})(?:\.({LABEL})(?:\.svc(?:\.cluster\.local)?)?)?(?::\d+)?(?=/|$)")
START_SECONDS = 60.0


@dataclass(kw_only=True)
class Pod:
    """One container, its folder, and the process in it."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    spec: Object
    address: str
    folder: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """Variables that the cluster adds."""
    process: subprocess.Popen[bytes] | None = None
    mounted: dict[str, tuple[Mount, str]] = field(default_factory=dict)
    """Volumes of Secrets by the volume's name."""
    in_flight: int = 0

    @property
    def container(self) -> Any:
        [container] = self.spec["containers"]
        return container

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def port(self, name: str | int | None = None) -> int:
        """The number of a port, by its name."""
        if isinstance(name, int):
            return name
        ports = self.container.get("ports") or [{"containerPort": 8080}]
        return next(int(each["containerPort"]) for each in ports if name in (None, each.get("name")))

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port()}"

    @property
    def token(self) -> str:
        """What the pod can show."""
        mount, _ = self.mounted["token"]
        return (mount.folder / "token").read_text()

    def pause(self) -> None:
        """It gets no more time."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; returns when the process has ended."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)


class Kubelet:
    """Runs pods on the node."""

    def __init__(self, api: ApiServer, node: Node, folder: Path, registry: Callable[[], Mapping[str, str]]) -> None:
        self.api, self.node, self.folder = api, node, folder
        self.addresses: dict[tuple[str, str], str] = {}
        """(namespace, name) of Services that are no objects here, such as the Broker's ingress."""
        self.pods: list[Pod] = []
        self.every: list[Pod] = []
        """Those that there were, too."""
        self.platform_variables = registry
        self.store = Store(folder=folder / "pulled")
        self.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.signing.public_key()))
        self.jwks = {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]}
        self._count = 0

    def make_pod(
        self, namespace: str, name: str, labels: Mapping[str, str], spec: Object, more: Mapping[str, str] | None = None
    ) -> Pod:
        """A pod that has its address, and does not run yet."""
        self._count += 1
        folder = self.folder / "pods" / f"{self._count}-{name}"
        folder.mkdir(parents=True)
        address = self.node.address()
        pod = Pod(
            namespace=namespace,
            name=name,
            labels=labels,
            spec=spec,
            address=address,
            folder=folder,
            more=more or {},
        )
        self.pods.append(pod)
        self.every.append(pod)
        return pod

    def start(self, pod: Pod) -> None:
        """Start its container, the first time or once more. Raises `LookupError` where what it names is not there."""
        variables, command, mounts = self.pull(pod)
        mounts += self.mount(pod)
        environment = variables | self.environment(pod)
        environment = {name: self.resolve(pod, value) for name, value in environment.items()}
        environment["PYTHONPATH"] = ":".join(filter(None, (variables.get("PYTHONPATH", ""), str(ROOT))))
        command = [*(pod.container.get("command") or command), *(pod.container.get("args") or ())]
        pod.process = self.node.start(mounts, environment, command, pod.log)

    def pull(self, pod: Pod) -> tuple[dict[str, str], list[str], list[tuple[Path, str]]]:
        """The image: its variables, command and files."""
        name = pod.container["image"]
        if is_platform(name):
            return image_environment(ROOT / "control-plane" / "Dockerfile"), [], []
        assert "@sha256:" in name, f"{name} is not pinned"
        image = open_base(name, store=self.store)
        folder = self.folder / "images" / image.digest
        if not folder.exists():
            unpack(image, folder)
        return image.environment, list(image.settings["Cmd"]), [(folder / "flow", "/flow")]

    def environment(self, pod: Pod) -> dict[str, str]:
        """As the kubelet makes it of `envFrom` and `env`, and as Knative adds to it."""
        found: dict[str, str] = {}
        for each in pod.container.get("envFrom") or ():
            found |= self.find("configmaps", pod.namespace, each["configMapRef"]["name"])["data"]
        for each in pod.container.get("env") or ():
            value = each.get("value")
            if value is None:
                wanted = each["valueFrom"]["secretKeyRef"]
                value = self.secret(pod.namespace, wanted["name"], wanted.get("optional", False)).get(wanted["key"])
            if value is not None:
                found[each["name"]] = value
        given = self.platform_variables() if is_platform(pod.container["image"]) else {}
        return {**found, **pod.more, "HOSTNAME": pod.name, "INTELLYHUB_HOST": "0.0.0.0", **given}

    def resolve(self, pod: Pod, value: str) -> str:
        """A value with Services' names replaced by where they answer: there is no name server here."""

        def replace(match: re.Match[str]) -> str:
            name, namespace = match[1], match[2] or pod.namespace
            known = self.addresses.get((namespace, name)) or self.endpoint(namespace, name, match[0])
            return f"http://{known}" if known else match[0]

        return ADDRESS.sub(replace, value).replace("0.0.0.0", pod.address)

    def endpoint(self, namespace: str, name: str, asked: str = "") -> str | None:
        """Where a Service answers."""
        service = self.api.objects.get(Key("", "services", namespace, name))
        if service is None:
            return None
        written = re.search(r":(\d+)$", asked)
        number = int(written[1]) if written else 80
        [port] = [each for each in service["spec"]["ports"] if each["port"] == number]
        for pod in self.pods:
            if service["spec"]["selector"].items() <= dict(pod.labels).items() and pod.namespace == namespace:
                return f"{pod.address}:{pod.port(port['targetPort'])}"
        return None

    def mount(self, pod: Pod) -> list[tuple[Path, str]]:
        """Its volumes, and where they lie."""
        volumes = {each["name"]: self.volume(pod, each) for each in pod.spec.get("volumes") or ()}
        places = []
        for each in pod.container.get("volumeMounts") or ():
            source, place = volumes[each["name"]], each["mountPath"]
            if each.get("subPath"):
                source = source / each["subPath"]
                parent = next(
                    volumes[m["name"]] for m in pod.container["volumeMounts"] if place.startswith(m["mountPath"])
                )
                (parent / Path(place).name).touch()
            places.append((source, place))
        if not any(place == "/tmp" for _, place in places):
            (pod.folder / "tmp").mkdir(exist_ok=True)
            places.append((pod.folder / "tmp", "/tmp"))
        return places

    def volume(self, pod: Pod, volume: Object) -> Path:
        folder = pod.folder / "volumes" / str(volume["name"])
        if "emptyDir" in volume:
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        if volume["name"] not in pod.mounted:
            name = volume["secret"]["secretName"] if "secret" in volume else ""
            pod.mounted[volume["name"]] = (Mount(folder), name)
        mount, name = pod.mounted[volume["name"]]
        if name:
            put(mount, self.secret(pod.namespace, name))
        else:
            [source] = volume["projected"]["sources"]
            wanted = source["serviceAccountToken"]
            mount.put(**{wanted["path"]: self.token(pod, wanted["audience"], wanted["expirationSeconds"])})
        return folder

    def renew(self, namespace: str, name: str) -> None:
        """A Secret has changed: the files of pods that have it follow."""
        for pod in self.pods:
            for mount, secret in pod.mounted.values():
                if pod.lives and (pod.namespace, secret) == (namespace, name):
                    put(mount, self.secret(namespace, name))

    def token(self, pod: Pod, audience: str, seconds: int) -> str:
        """Of the pod's ServiceAccount, which has to be there."""
        account = pod.spec["serviceAccountName"]
        self.find("serviceaccounts", pod.namespace, account)
        return self.sign(f"system:serviceaccount:{pod.namespace}:{account}", audience, seconds)

    def sign(self, user: str, audience: str, seconds: int) -> str:
        claims = {"iss": ISSUER, "aud": [audience], "sub": user, "exp": int(time.time()) + seconds}
        return jwt.encode(claims, self.signing, algorithm="RS256", headers={"kid": "one"})

    def secret(self, namespace: str, name: str, optional: bool = False) -> dict[str, str]:
        if optional and Key("", "secrets", namespace, name) not in self.api.objects:
            return {}
        found = self.find("secrets", namespace, name)
        plain = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        return plain | (found.get("stringData") or {})

    def find(self, plural: str, namespace: str, name: str) -> Object:
        found = self.api.objects.get(Key("", plural, namespace, name))
        if found is None:
            raise LookupError(f"{plural} {name!r} not found in {namespace}")
        return found

    async def until_ready(self, pod: Pod, session: aiohttp.ClientSession) -> None:
        """Until its readiness probe succeeds; where it has none, until its port is open. Raises `ChildProcessError`."""
        probe = (pod.container.get("readinessProbe") or {}).get("httpGet")
        deadline = time.monotonic() + START_SECONDS
        while True:
            if not pod.lives or time.monotonic() > deadline:
                raise ChildProcessError(f"{pod.name}: {pod.log.read_text()[-3000:]}")
            try:
                if probe is None:
                    _, writer = await asyncio.open_connection(pod.address, pod.port())
                    writer.close()
                    return
                async with session.get(f"http://{pod.address}:{pod.port(probe['port'])}{probe['path']}") as answer:
                    if answer.status == 200:
                        return
            except (OSError, aiohttp.ClientError):
                pass
            await asyncio.sleep(0.02)

    def remove(self, pod: Pod) -> None:
        """End it for good."""
        if pod.lives:
            pod.kill()
        if pod in self.pods:
            self.pods.remove(pod)

    def close(self) -> None:
        for pod in list(self.pods):
            self.remove(pod)


def is_platform(image: str) -> bool:
    """Whether it is the platform's own, however the installation calls it."""
    return image.rpartition("/")[2].partition(":")[0] == PLATFORM


def put(mount: Mount, files: Mapping[str, str]) -> None:
    """Replace what is mounted; what is there no more goes."""
    mount.put(**files)
    for path in mount.folder.iterdir():
        if not path.name.startswith("..") and path.name not in files:
            path.unlink()


def unpack(image: Image, folder: Path) -> None:
    """What lies below /flow."""
    (folder / "flow").mkdir(parents=True)
    for layer in image.layers:
        with layer.blob.open() as packed, gzip.open(packed) as plain, tarfile.open(fileobj=plain) as archive:
            archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
            archive.extractall(folder, [each for each in archive if each.name.startswith("flow")])
