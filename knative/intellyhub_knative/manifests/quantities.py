"""Kubernetes quantities: `250m` of a processor, `64Mi` of memory. Checked before a cluster sees them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from decimal import Decimal

from intellyhub_engine.errors import InputInvalid
from intellyhub_knative.platform.deployments import Container, Quantities

__all__ = ["as_map", "check_container", "cpu_of", "make_resources", "memory_of", "times"]

WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
FACTORS = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def cpu_of(text: str) -> Decimal:
    """Processors. Raises `InputInvalid`."""
    value = read(text)
    if not Decimal("0.001") <= value <= 1024:
        raise InputInvalid(f"{text!r} is no share of a processor; write 1m to 1024, such as 250m or 2")
    return value


def memory_of(text: str) -> Decimal:
    """Bytes. Raises `InputInvalid`, also for less than a mebibyte: `128` is 128 bytes, and `128m` a tenth of one."""
    value = read(text)
    if value < 2**20:
        raise InputInvalid(f"{text!r} is less than 1 MiB of memory; write it such as 128Mi")
    return value


def times(text: str, number: int) -> str:
    """A multiple of a quantity, in the same unit."""
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise InputInvalid(f"{text!r} is no quantity such as 250m or 128Mi")
    value = format((Decimal(match[1]) * number).normalize(), "f")
    return f"{value}{match[2] or ''}"


def check_container(container: Container) -> None:
    """Raise `InputInvalid` for quantities that a cluster would refuse, or that would hold back wake-ups."""
    for name, read_one in (("cpu", cpu_of), ("memory", memory_of)):
        wanted, most = getattr(container.requests, name), getattr(container.limits, name)
        if read_one(wanted) > read_one(most):
            raise InputInvalid(f"the {name} request {wanted} is above its limit {most}; lower it")


def make_resources(container: Container) -> dict[str, dict[str, str]]:
    """`resources` of a container. Requests are always written: without them they would equal the limits, and pods that
    drain would hold back those that wake up. Raises `InputInvalid`."""
    check_container(container)
    return {"requests": as_map(container.requests), "limits": as_map(container.limits)}


def as_map(quantities: Quantities) -> dict[str, str]:
    """As Kubernetes takes them."""
    return {"cpu": quantities.cpu, "memory": quantities.memory}


def read(text: str) -> Decimal:
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise InputInvalid(f"{text!r} is no quantity such as 250m or 128Mi")
    return Decimal(match[1]) * FACTORS[match[2]]
