"""What a cluster says, in words that a person can act upon. Pure.

The reasons are those that Knative Serving gives to a Revision and Kubernetes to a pod; what each means was seen on a
real cluster. Whatever is not in these tables is shown as the cluster worded it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from intellyhub_engine.frozen import dataclass

__all__ = ["OF_THE_CLUSTER", "VAGUE", "Trouble", "explain", "explain_pod"]

LONGEST_DETAIL = 700
VAGUE = "NotReadyInTime"
"""The reason of a version for whose failure the cluster gives none."""
OF_THE_CLUSTER = frozenset(("QuotaExceeded", "NoRoom", "ResourcesMissing", "ServiceAccountMissing", "SecretMissing"))
"""Reasons that any version may meet at any moment, however good it is: they pass, or people see to them."""
MEMORY_EXIT, COMMAND_EXIT, MISSING_EXIT = 137, 128, 127


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why something does not work."""

    reason: str
    """One word, stable: for programs."""
    message: str
    """For people: what happened, and what to do about it."""


def trouble(reason: str, happened: str, remedy: str = "") -> Trouble:
    text = " ".join(happened.split())[:LONGEST_DETAIL].rstrip(".")
    return Trouble(reason=reason, message=f"{text}. {remedy}".strip() if remedy else text)


def explain(reason: str, message: str) -> Trouble:
    """What a condition that is not `True` means."""
    code = re.fullmatch(r"ExitCode(\d+)", reason)
    if code:
        return explain_exit(int(code[1]), message.partition(":")[2].strip())
    if reason in CONDITIONS:
        return CONDITIONS[reason](message)
    return trouble(reason or "Unknown", message or reason or "the cluster gives no reason")


def explain_exit(code: int, said: str) -> Trouble:
    """A container that ended instead of serving; `said` is the end of what it wrote."""
    if code == MEMORY_EXIT:
        return trouble(
            "OutOfMemory", "the worker was stopped for want of memory", "Give the flow a larger memory limit"
        )
    if code in (COMMAND_EXIT, MISSING_EXIT):
        return trouble("BadCommand", f"the image's command cannot be started: {said}", "Build the version again")
    told = f": {said}" if said else ""
    return trouble("Crashed", f"the worker ended with code {code} when it was started{told}", "Look at the flow's log")


def explain_refused_pod(message: str) -> Trouble:
    """Why no pod may be made (`FailedCreate`: the whole text of the admission)."""
    if "exceeded quota" in message:
        return trouble(
            "QuotaExceeded",
            f"the organisation's quota does not allow another pod: {after(message, 'exceeded quota')}",
            "Wait until pods that end are gone (about 30 s), lower the flow's largest scale or raise the plan's pods",
        )
    if "failed quota" in message or "must specify" in message:
        return trouble(
            "ResourcesMissing",
            f"the quota asks for requests and limits that a container does not have: {after(message, 'failed quota')}",
            "Restore the namespace's LimitRange: the platform makes it again within a minute",
        )
    if "violates PodSecurity" in message:
        return trouble(
            "PodSecurity",
            f"the pod breaks the namespace's security rules: {after(message, 'violates PodSecurity')}",
            "Tell whoever runs the platform: its manifests were changed by somebody else",
        )
    if "serviceaccount" in message.lower() and "not found" in message:
        return trouble(
            "ServiceAccountMissing", f"the flow's ServiceAccount is not there: {message}", "It is made again by itself"
        )
    return trouble("PodRefused", f"the cluster does not allow the pod: {message}")


def after(message: str, mark: str) -> str:
    """What stands from a mark on: before it there are names that say nothing to a person."""
    return message[message.find(mark) :] if mark in message else message


def explain_image(message: str) -> Trouble:
    """An image that cannot be had."""
    told = message.removeprefix("Unable to fetch image").strip() or "no reason given"
    return trouble(
        "ImageMissing",
        f"the version's image cannot be fetched: {told}",
        "Check that the registry can be reached from the cluster and that its pull secret is right, then build again",
    )


def explain_no_node(message: str) -> Trouble:
    """A pod for which there is no room."""
    return trouble(
        "NoRoom",
        f"no node has room for the worker: {message}",
        "Add nodes, or lower what the flow's container asks for",
    )


def explain_deadline(_message: str) -> Trouble:
    """Knative gave up waiting. The pods know why; they are asked before."""
    return trouble(
        VAGUE,
        "no worker of this version was ready in time",
        "Look at the flow's log; an image or a secret may be missing",
    )


CONDITIONS: Mapping[str, Callable[[str], Trouble]] = {
    "ContainerMissing": explain_image,
    "ProgressDeadlineExceeded": explain_deadline,
    "FailedCreate": explain_refused_pod,
    "Unschedulable": explain_no_node,
    "ImagePullBackOff": explain_image,
    "ErrImagePull": explain_image,
    "InvalidImageName": explain_image,
}


def explain_pod(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]] = ()) -> Trouble | None:
    """Why a pod does not start, as far as it knows; None where it only takes its time. Pods tell within seconds what a
    Revision tells at its deadline."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return explain_no_node(str(condition.get("message", "")))
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        found = explain_container(container)
        if found is not None:
            return found
    return next(filter(None, map(explain_event, events)), None)


def explain_container(container: Mapping[str, Any]) -> Trouble | None:
    """Why a container waits or ended."""
    state = container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"):
        return explain_image(message)
    if reason == "CreateContainerConfigError":
        return explain_configuration(message)
    if reason in ("CreateContainerError", "RunContainerError"):
        return trouble("BadCommand", f"the image's command cannot be started: {message}", "Build the version again")
    last = (container.get("lastState") or {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" or ended.get("exitCode"):
        end = ended or last
        if end.get("reason") == "OOMKilled":
            return explain_exit(MEMORY_EXIT, "")
        return explain_exit(int(end.get("exitCode") or 1), str(end.get("message") or ""))
    return None


def explain_configuration(message: str) -> Trouble:
    """`CreateContainerConfigError`: a secret, or an image that wants to be root."""
    if "not found" in message:
        return trouble(
            "SecretMissing", f"what the worker is to find is not there: {message}", "It is made again by itself"
        )
    if "runAsNonRoot" in message or "root" in message:
        return trouble(
            "ImageIsRoot", f"the image wants to run as root: {message}", "Use the engine image of this platform"
        )
    return trouble("BadConfiguration", f"the worker cannot be set up: {message}")


def explain_event(event: Mapping[str, Any]) -> Trouble | None:
    """What only an event tells: volumes that cannot be mounted."""
    if event.get("type") != "Warning" or event.get("reason") not in ("FailedMount", "FailedAttachVolume"):
        return None
    return explain_configuration(str(event.get("message", "")))
