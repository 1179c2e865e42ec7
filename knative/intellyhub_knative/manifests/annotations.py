"""Knative's annotations, by the book. Its webhooks take every key that looks like one of theirs, also a misspelt one,
which then does nothing: so each key is compared with the list here, each value with its range.

https://knative.dev/docs/serving/autoscaling/ and `pkg/apis/autoscaling/register.go` of knative/serving 1.15 to 1.23.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from intellyhub_engine.errors import InputInvalid
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["KNOWN", "check_annotations"]

SCALING = "autoscaling.knative.dev/"
SIDECAR = "queue.sidecar.serving.knative.dev/"
SERVING = "serving.knative.dev/"
DOMAINS = (SCALING, SIDECAR, SERVING)

WHOLE = re.compile(r"\d{1,9}")
NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,9})?")
DURATION = re.compile(r"\d{1,9}(ms|s|m|h)")
QUANTITY = re.compile(r"\d{1,9}(m|Ki|Mi|Gi)?")

KNOWN: Mapping[str, re.Pattern[str]] = {
    SCALING + "class": re.compile(r"(kpa|hpa)\.autoscaling\.knative\.dev"),
    SCALING + "metric": re.compile("concurrency|rps|cpu|memory"),
    SCALING + "metric-aggregation-algorithm": re.compile("linear|weighted-exponential"),
    SCALING + "min-scale": WHOLE,
    SCALING + "max-scale": WHOLE,
    SCALING + "initial-scale": re.compile("[1-9][0-9]{0,8}"),  # 0 needs allow-zero-initial-scale
    SCALING + "activation-scale": re.compile("[2-9]|[1-9][0-9]{1,8}"),
    SCALING + "scale-down-delay": DURATION,
    SCALING + "scale-to-zero-pod-retention-period": DURATION,
    SCALING + "target": NUMBER,
    SCALING + "target-utilization-percentage": NUMBER,
    SCALING + "target-burst-capacity": NUMBER,
    SCALING + "panic-window-percentage": NUMBER,
    SCALING + "panic-threshold-percentage": NUMBER,
    SCALING + "window": DURATION,
    SIDECAR + "cpu-resource-request": QUANTITY,
    SIDECAR + "cpu-resource-limit": QUANTITY,
    SIDECAR + "memory-resource-request": QUANTITY,
    SIDECAR + "memory-resource-limit": QUANTITY,
    SIDECAR + "ephemeral-storage-resource-request": QUANTITY,
    SIDECAR + "ephemeral-storage-resource-limit": QUANTITY,
    SERVING + "progress-deadline": DURATION,
}
"""What a revision's template may carry of Knative's, and how its values look."""
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BOUNDS = {
    SCALING + "window": (6.0, 3600.0),
    SCALING + "scale-down-delay": (0.0, 3600.0),
    SCALING + "scale-to-zero-pod-retention-period": (0.0, 3600.0),
}


def check_annotations(annotations: Mapping[str, str]) -> None:
    """Raise `InputInvalid` with every annotation of a revision that Knative would refuse, or take without effect."""
    faults = [fault for name, value in annotations.items() if (fault := fault_of(name, value))]
    least, most = annotations.get(SCALING + "min-scale", "0"), annotations.get(SCALING + "max-scale", "0")
    if not faults and int(most) and int(least) > int(most):
        faults.append(f"min-scale {least} is above max-scale {most}")
    if faults:
        raise InputInvalid("; ".join(faults))


def fault_of(name: str, value: str) -> str:
    if not name.startswith(DOMAINS):
        return ""
    if name not in KNOWN:
        return f"{name} is not known to Knative{meant(name)}; it would be taken and do nothing"
    if not KNOWN[name].fullmatch(value):
        return f"{name} is {value!r}, which Knative does not take"
    least, most = BOUNDS.get(name, (0.0, float("inf")))
    if KNOWN[name] is DURATION and not least <= seconds_of(value) <= most:
        return f"{name} is {value!r}; it lies from {least:g} to {most:g} seconds"
    return ""


def meant(name: str) -> str:
    found = did_you_mean(name, list(KNOWN))
    return f" ({found})" if found else ""


def seconds_of(duration: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(\D+)", duration).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]
