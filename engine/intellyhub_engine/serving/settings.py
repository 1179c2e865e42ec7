"""What a worker reads from its environment, once, at its start. docs/worker.md lists the same for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.frozen import dataclass
from intellyhub_engine.serving.readers import Read, extensions, keys, one_of, paths, read_fields, seconds, text, whole

__all__ = ["PRIVATE", "Settings", "read_settings"]

DAY = 86_400
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a pod is reached from outside; who may ask is decided by Access


def setting(variable: str, default: Any, read: Read, why: str, *, unit: str = "", secret: bool = False) -> Any:
    """One field: where it comes from, how it is read, and why it has this default."""
    metadata = {"variable": variable, "read": read, "why": why, "unit": unit, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a worker can be told. Each field's reason stands in its line."""

    # What runs
    flow: str = setting("INTELLYHUB_FLOW", "flow.yaml", text, "The flow's file.")
    name: str = setting(
        "INTELLYHUB_FLOW_NAME", "", text, "The flow's name in the journal; empty: K_SERVICE, else the name of its file."
    )
    service: str = setting("K_SERVICE", "", text, "Given by Knative: the Service's name.")
    cache_dir: str = setting(
        "INTELLYHUB_CACHE_DIR",
        "",
        text,
        "Where compiled flows are kept; empty: nowhere, but one that an image has beside its flow is used.",
    )
    workspace: str = setting(
        "INTELLYHUB_WORKSPACE",
        "workspace",
        text,
        "The folder that the flow's relative paths stand for; made when missing.",
    )
    variables_file: str = setting(
        "INTELLYHUB_VARIABLES_FILE", "", text, "A JSON object of the owner's variables; empty: none."
    )
    secrets_dir: str = setting(
        "INTELLYHUB_SECRETS_DIR", "", text, "A folder with one file per secret, as Kubernetes mounts them; empty: none."
    )
    budget_file: str = setting(
        "INTELLYHUB_BUDGET_FILE",
        "",
        text,
        "A JSON object with what the tenant's flows may spend, `{day, month: {tokens, cost_usd}}`; empty: anything.",
    )
    walls: str = setting(
        "INTELLYHUB_WALLS",
        "",
        one_of("none", "best-effort", "require"),
        "Close the process in, and fail where that cannot be done (`require`); unset: `best-effort` in a pod of Knative"
        " (where `K_REVISION` is set), else `none`.",
    )
    revision: str = setting("K_REVISION", "", text, "Given by Knative: the Revision's name.")
    readable: tuple[str, ...] = setting(
        "INTELLYHUB_READABLE",
        (),
        paths,
        "More folders that a closed-in flow may read, separated like PATH, beside its own and the installation.",
    )
    # Where it listens
    host: str = setting("INTELLYHUB_HOST", EVERY_ADDRESS, text, "The address to listen on; every one, as a pod must.")
    port: int = setting("PORT", 8080, whole(0, 65_535), "The port to listen on; 0 takes a free one. Given by Knative.")
    socket: str = setting("INTELLYHUB_SOCKET", "", text, "The path of a unix socket to listen on instead; empty: none.")
    listen_fd: int = setting(
        "INTELLYHUB_LISTEN_FD", -1, whole(0, 65_535), "An inherited listening socket's descriptor instead; unset: none."
    )
    # Who may ask
    auth: str = setting(
        "INTELLYHUB_AUTH",
        "required",
        one_of("required", "none"),
        "`none` lets everyone in, for a laptop; never by default.",
    )
    worker_tokens: tuple[str, ...] = setting(
        "INTELLYHUB_WORKER_TOKENS", (), keys, "The bearer tokens that callers of this flow may show.", secret=True
    )
    delivery_secrets: tuple[str, ...] = setting(
        "INTELLYHUB_DELIVERY_SECRETS", (), keys, "The keys that the ingress signs events with.", secret=True
    )
    signature_seconds: float = setting(
        "INTELLYHUB_SIGNATURE_SECONDS",
        float(DAY),
        seconds(1, 90 * DAY),
        "How old a signature may be: longer than any broker goes on retrying. The journal stops repeats within it.",
        unit="seconds",
    )
    metrics: str = setting(
        "INTELLYHUB_METRICS",
        "token",
        one_of("token", "open", "off"),
        "Who may read /metrics: bearers of a token, as counts tell about a tenant; everyone; nobody.",
    )
    # How much at once
    concurrency: int = setting(
        "INTELLYHUB_CONCURRENCY",
        1,
        whole(0, 10_000),
        "Runs executing at a time: a pod is one; 0 is no limit.",
        unit="runs",
    )
    queue_seconds: float = setting(
        "INTELLYHUB_QUEUE_SECONDS",
        30.0,
        seconds(0, 3600),
        "How long a request waits for its turn, or for the same event in flight, before it is told 503.",
        unit="seconds",
    )
    max_connections: int = setting(
        "INTELLYHUB_MAX_CONNECTIONS",
        256,
        whole(1, 10_000),
        "Open at a time; more wait in the socket.",
        unit="connections",
    )
    max_body_bytes: int = setting(
        "INTELLYHUB_MAX_BODY_BYTES",
        8 << 20,
        whole(1, 1 << 30),
        "Larger bodies are told 413: no broker limits them.",
        unit="bytes",
    )
    max_header_bytes: int = setting(
        "INTELLYHUB_MAX_HEADER_BYTES", 32_768, whole(1024, 1 << 20), "Larger heads are told 431.", unit="bytes"
    )
    # How long
    header_seconds: float = setting(
        "INTELLYHUB_HEADER_SECONDS",
        10.0,
        seconds(0.05, 600),
        "For a request's head, from its first byte.",
        unit="seconds",
    )
    body_seconds: float = setting(
        "INTELLYHUB_BODY_SECONDS", 60.0, seconds(0.05, 3600), "For a request's body, in all.", unit="seconds"
    )
    send_seconds: float = setting(
        "INTELLYHUB_SEND_SECONDS", 30.0, seconds(0.05, 3600), "For a peer to take some of an answer.", unit="seconds"
    )
    keep_alive_seconds: float = setting(
        "INTELLYHUB_KEEP_ALIVE_SECONDS",
        120.0,
        seconds(0.05, 3600),
        "For an idle connection: longer than the 90 of Go's clients, so that they close first.",
        unit="seconds",
    )
    idle_seconds: float = setting(
        "INTELLYHUB_IDLE_SECONDS",
        0.0,
        seconds(0, DAY),
        "Exit after so long without a request; 0 is never.",
        unit="seconds",
    )
    quiet_seconds: float = setting(
        "INTELLYHUB_QUIET_SECONDS",
        0.3,
        seconds(0, 60),
        "After SIGTERM: exit once nothing was in flight and nothing arrived for so long.",
        unit="seconds",
    )
    drain_seconds: float = setting(
        "INTELLYHUB_DRAIN_SECONDS",
        600.0,
        seconds(0, DAY),
        "After SIGTERM: exit at the latest after so long; Knative's own limit is timeoutSeconds.",
        unit="seconds",
    )
    # What is kept
    journal: str = setting(
        "INTELLYHUB_JOURNAL",
        "",
        text,
        "The journal's SQLite file, or the address of a journal service (`http://...`), which then takes emitted events"
        " too; empty: nothing outlives the process.",
    )
    journal_token_file: str = setting(
        "INTELLYHUB_JOURNAL_TOKEN_FILE",
        "",
        text,
        "What a journal service, and the sink of a listener, are shown: a file that is replaced now and then.",
    )
    journal_authority: str = setting(
        "INTELLYHUB_JOURNAL_CA", "", text, "The certificates that a journal service at `https://` is known by."
    )
    lease_seconds: float = setting(
        "INTELLYHUB_LEASE_SECONDS",
        30.0,
        seconds(1, 3600),
        "A run without a sign of life for so long may be taken over.",
        unit="seconds",
    )
    sweep_seconds: float = setting(
        "INTELLYHUB_SWEEP_SECONDS",
        0.0,
        seconds(0, DAY),
        "How often to resume this flow's due runs; 0 is never.",
        unit="seconds",
    )
    # Where emitted events go
    sink: str = setting(
        "K_SINK",
        "",
        text,
        "The URL that takes emitted events; empty: a delivery's last one is its reply. Given by Knative.",
    )
    overrides: tuple[tuple[str, str], ...] = setting(
        "K_CE_OVERRIDES",
        (),
        extensions,
        "Attributes that emitted events get, given by Knative: nobody else adds them.",
    )
    sink_seconds: float = setting(
        "INTELLYHUB_SINK_SECONDS",
        10.0,
        seconds(0.1, 600),
        "For one attempt to hand an event to the sink.",
        unit="seconds",
    )
    # What a listener is told beside that
    listener_address: str = setting(
        "INTELLYHUB_LISTENER_ADDRESS", "", text, "The source of a listener's events; empty: made of the flow's name."
    )
    hook_address: str = setting(
        "INTELLYHUB_HOOK_ADDRESS", "", text, "Where the world reaches the flow's hook, for listeners that register it."
    )
    silence_seconds: float = setting(
        "INTELLYHUB_SILENCE_SECONDS",
        600.0,
        seconds(1, DAY),
        "A listener that has had no contact for so long is not healthy, so that its pod is begun anew.",
        unit="seconds",
    )

    @property
    def remote_journal(self) -> bool:
        """Whether the journal is a service in the network."""
        return self.journal.startswith(("http://", "https://"))

    @property
    def tenant_id(self) -> str:
        """Whose events a flow emits: on a platform its name is `<tenant>/<flow>`."""
        return self.flow_name.partition("/")[0]

    @property
    def wanted_walls(self) -> str:
        """`none`, `best-effort` or `require`."""
        return self.walls or ("best-effort" if self.revision else "none")

    @property
    def flow_name(self) -> str:
        """What the journal calls this flow."""
        return self.name or self.service or self.flow.rpartition("/")[2].rpartition(".")[0] or "flow"


PRIVATE = frozenset(part.metadata["variable"] for part in fields(Settings) if part.metadata["secret"])
"""Variables that nothing but the worker itself may see."""


def read_settings(environment: Mapping[str, str], *, answers: bool = True) -> Settings:
    """Read them all; raises `InputInvalid` naming every variable that cannot be used. Empty means unset. `answers`:
    for a worker, which somebody has to be let in to."""
    values, faults = read_fields(Settings, environment)
    settings = Settings(**values)
    faults += contradictions(settings, unread=bool(faults) or not answers)
    if faults:
        raise InputInvalid("the worker's settings cannot be used: " + "; ".join(faults))
    return settings


def contradictions(settings: Settings, *, unread: bool) -> list[str]:
    """What is wrong between variables that are each right by themselves."""
    if settings.remote_journal and not settings.journal_token_file and not unread:
        return ["INTELLYHUB_JOURNAL is a service's address, and INTELLYHUB_JOURNAL_TOKEN_FILE names no token for it"]
    if settings.auth == "required" and not unread and not (settings.worker_tokens or settings.delivery_secrets):
        return [
            (
                "INTELLYHUB_WORKER_TOKENS and INTELLYHUB_DELIVERY_SECRETS are both unset, so nobody could be let in"
                " (INTELLYHUB_AUTH=none opens the worker to everyone who can reach it)"
            )
        ]
    return []
