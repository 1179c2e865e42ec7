"""Makes a Kubernetes cluster with Knative on this machine: kind, Serving with Kourier, and Eventing.

    python3 scripts/cluster_up.py [--name NAME] [--dry-run]

May be run again at any time: what is there is kept, what is missing is made. `kind delete cluster --name NAME` removes
everything. Needs docker (or podman), kind and kubectl, some 8 GB of memory and the way to github.com.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

SERVING = "1.23.0"
KOURIER = "1.23.0"
EVENTING = "1.22.0"
NODE = "kindest/node:v1.34.0"
RELEASES = "https://github.com"
REGISTRY_PORT = 30500
"""Of the registry that the development overlay brings (components/registry), on the node and on this machine."""
WAIT = "--timeout=300s"

NEEDED = {
    "kind": "https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
}
ENGINES = {"docker": "https://docs.docker.com/get-docker/", "podman": "https://podman.io/docs/installation"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command, and what it is told on its standard input."""

    title: str
    command: tuple[str, ...]
    told: str = ""


def main(arguments: Sequence[str]) -> int:
    """Make what is missing; return the exit code of the first command that failed."""
    parser = argparse.ArgumentParser(prog="cluster_up.py", description="Make a cluster with Knative on this machine.")
    parser.add_argument("--name", default="intellyhub", help="the kind cluster (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="show the commands and run none")
    wanted = parser.parse_args(arguments)
    engine = next((tool for tool in ENGINES if shutil.which(tool)), None)
    if not wanted.dry_run and (missing := find_missing(engine)):
        print("\n".join(f"cluster_up: {line}" for line in missing), file=sys.stderr)
        return 1
    exists = not wanted.dry_run and wanted.name in clusters()
    for step in make_steps(wanted.name, engine or "docker", exists=exists):
        print(f"cluster_up: {step.title}", flush=True)
        code = show(step) if wanted.dry_run else run(step)
        if code != 0:
            print(f"cluster_up: that failed ({code}); run it again, it goes on from here", file=sys.stderr)
            return code
    print(NEXT.format(name=wanted.name, port=REGISTRY_PORT))
    return 0


def find_missing(engine: str | None) -> list[str]:
    """What has to be installed first, each with the place where it says how; or what does not work."""
    missing = [f"{tool} is not installed: see {place}" for tool, place in NEEDED.items() if shutil.which(tool) is None]
    if engine is None:
        places = " or ".join(f"{tool} ({place})" for tool, place in ENGINES.items())
        return [*missing, f"no container engine is installed: {places}"]
    if subprocess.run([engine, "info"], check=False, capture_output=True).returncode != 0:
        missing.append(f"{engine} is installed but does not answer: start it")
    return missing


def clusters() -> list[str]:
    """The kind clusters of this machine."""
    return subprocess.run(["kind", "get", "clusters"], check=False, capture_output=True, text=True).stdout.split()


def make_steps(name: str, engine: str, *, exists: bool) -> list[Step]:
    """What is to be done, in order. Each may be done again."""
    kubectl = ("kubectl", "--context", f"kind-{name}")
    serving = f"{RELEASES}/knative/serving/releases/download/knative-v{SERVING}"
    kourier = f"{RELEASES}/knative-extensions/net-kourier/releases/download/knative-v{KOURIER}"
    eventing = f"{RELEASES}/knative/eventing/releases/download/knative-v{EVENTING}"

    def apply(title: str, *addresses: str) -> Step:
        files = tuple(part for address in addresses for part in ("-f", address))
        return Step(title=title, command=(*kubectl, "apply", *files))

    def wait(title: str, *what: str) -> Step:
        return Step(title=title, command=(*kubectl, "wait", WAIT, *what))

    def ready(namespace: str) -> Step:
        return wait(f"waiting for {namespace}", "--for=condition=Available", "deployment", "--all", "-n", namespace)

    established = ("--for=condition=Established", "crd", "--all")
    create = ("kind", "create", "cluster", "--name", name, "--image", NODE, "--config", "-", "--wait", "180s")
    return [
        *([] if exists else [Step(title=f"the cluster {name}", command=create, told=make_kind_config())]),
        Step(title="the way of the node to the registry", command=trust_command(engine, name), told=make_hosts()),
        apply(f"Knative Serving {SERVING}: kinds", f"{serving}/serving-crds.yaml"),
        wait("waiting for the kinds", *established),
        apply(f"Knative Serving {SERVING}", f"{serving}/serving-core.yaml"),
        apply(f"Kourier {KOURIER}", f"{kourier}/kourier.yaml"),
        Step(
            title="Kourier as Knative's ingress",
            command=(
                *kubectl,
                "patch",
                "configmap/config-network",
                "-n",
                "knative-serving",
                "--type=merge",
                "-p",
                INGRESS,
            ),
        ),
        apply(f"Knative Eventing {EVENTING}: kinds", f"{eventing}/eventing-crds.yaml"),
        wait("waiting for the kinds", *established),
        apply(
            f"Knative Eventing {EVENTING}",
            f"{eventing}/eventing-core.yaml",
            f"{eventing}/in-memory-channel.yaml",
            f"{eventing}/mt-channel-broker.yaml",
        ),
        ready("knative-serving"),
        ready("kourier-system"),
        ready("knative-eventing"),
    ]


INGRESS = json.dumps({"data": {"ingress-class": "kourier.ingress.networking.knative.dev"}})


def make_kind_config() -> str:
    """One node, whose registry port is open on this machine only. JSON is YAML."""
    port = {
        "containerPort": REGISTRY_PORT,
        "hostPort": REGISTRY_PORT,
        "listenAddress": "127.0.0.1",
        "protocol": "TCP",
    }
    # https://kind.sigs.k8s.io/docs/user/local-registry/: containerd looks for hosts.toml there.
    patch = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
    node = {"role": "control-plane", "extraPortMappings": [port]}
    config = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
    return json.dumps({**config, "containerdConfigPatches": [patch]})


def trust_command(engine: str, name: str) -> tuple[str, ...]:
    """Write the node's hosts.toml from standard input."""
    folder = f"/etc/containerd/certs.d/localhost:{REGISTRY_PORT}"
    script = f"mkdir -p {folder} && cat > {folder}/hosts.toml"
    return (engine, "exec", "-i", f"{name}-control-plane", "sh", "-c", script)


def make_hosts() -> str:
    """Plain HTTP: with a `config_path`, some releases try TLS first, also at localhost (containerd #10014)."""
    return f'[host."http://127.0.0.1:{REGISTRY_PORT}"]\n  capabilities = ["pull", "resolve"]\n'


def run(step: Step) -> int:
    """Run a command; its output is shown as it comes."""
    return subprocess.run(step.command, check=False, input=step.told.encode() or None).returncode


def show(step: Step) -> int:
    """Print a command as a person would type it."""
    print(f"    {shlex.join(step.command)}")
    return 0


NEXT = """
The cluster stands. What is next (docs/install.md):
    make image
    make image WHICH=control-plane TAG=dev.local/intellyhub-control-plane:dev
    kind load docker-image --name {name} dev.local/intellyhub-control-plane:dev
    make deploy IMAGE=dev.local/intellyhub-control-plane:dev CONTEXT=kind-{name}
The last one also brings a registry, and pushes the image of the first to it: localhost:{port}, here and on the node."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
