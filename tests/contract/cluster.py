"""A cluster, asked and disturbed with kubectl."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from intellyhub_knative.manifests.names import FLOW_ID, selector

__all__ = ["KINDS", "PLATFORM", "Cluster"]

PLATFORM = "intellyhub"
"""The platform's namespace."""
KINDS = (
    "services.serving.knative.dev",
    "triggers.eventing.knative.dev",
    "brokers.eventing.knative.dev",
    "pingsources.sources.knative.dev",
    "containersources.sources.knative.dev",
    "serviceaccounts",
    "secrets",
)
"""What a flow may leave behind."""
SECONDS = 120


class Cluster:
    """What KUBECONFIG names. A command that fails raises `AssertionError` with what kubectl said."""

    def kubectl(self, *words: str, given: str = "") -> str:
        """What a command says."""
        done = self.try_kubectl(*words, given=given)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def try_kubectl(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """A command that may fail."""
        return subprocess.run(
            ["kubectl", *words], input=given, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def objects(self, kind: str, *, namespace: str = "", labels: str = "") -> list[Any]:
        """Objects of a kind, of all namespaces where none is named."""
        where = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        chosen = ["--selector", labels] if labels else []
        return list(json.loads(self.kubectl("get", kind, *where, *chosen, "--output", "json"))["items"])

    def apply(self, document: Mapping[str, Any]) -> None:
        self.kubectl("apply", "--filename", "-", given=json.dumps(document))

    def administrator(self) -> tuple[str, str]:
        """E-mail address and password, as the installer wrote them."""
        template = "{{.data.password | base64decode}}"
        password = self.kubectl(
            "--namespace", PLATFORM, "get", "secret", "intellyhub-administrator", "--output", f"go-template={template}"
        )
        return "admin@localhost", password

    def service(self, flow_id: str) -> Any:
        """The Knative Service of a flow."""
        (found,) = self.objects(KINDS[0], labels=selector(flow_id=flow_id))
        return found

    def pods(self, flow_id: str) -> list[Any]:
        """Pods of a flow's Service that are not on their way out."""
        service = self.service(flow_id)
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        pods = self.objects("pods", namespace=namespace, labels=f"serving.knative.dev/service={name}")
        return [each for each in pods if "deletionTimestamp" not in each["metadata"]]

    def namespaces(self, tenant_id: str) -> list[str]:
        """The namespaces of a tenant."""
        return [each["metadata"]["name"] for each in self.objects("namespaces", labels=selector(tenant_id=tenant_id))]

    def belongings(self, flow_id: str) -> list[str]:
        """What there is of a flow, as `kind/name`."""
        labels = selector(flow_id=flow_id)
        return [name_of(each) for kind in KINDS for each in self.objects(kind, labels=labels)]

    def flows(self, tenant_id: str) -> set[str]:
        """The ids of all flows that a tenant has anything of."""
        found = [each for kind in KINDS for each in self.objects(kind, labels=selector(tenant_id=tenant_id))]
        return {each["metadata"]["labels"][FLOW_ID] for each in found if FLOW_ID in each["metadata"]["labels"]}

    def token(self, namespace: str, account: str, audience: str) -> str:
        """A token as pods of an account have it."""
        return self.kubectl("--namespace", namespace, "create", "token", account, "--audience", audience).strip()


def name_of(document: Mapping[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"
