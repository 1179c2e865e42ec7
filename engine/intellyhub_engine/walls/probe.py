"""Which walls this kernel and this user's rights allow."""

from __future__ import annotations

import functools
import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from intellyhub_engine.errors import InputInvalid

__all__ = ["Demand", "Walls", "demand", "probe"]

NAMESPACES_REMEDY = (
    "allow user namespaces to ordinary users (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0); a container needs a seccomp profile and a /proc that allow them"
)


LIMITED_BY_GROUP = {"memory": "memory", "pids": "processes"}
EXAMPLE_FAULT = 77
"""An error that no connection ends with: it shows who has answered."""
SCOPING = 6
"""The version of Landlock that keeps to itself signals and abstract sockets."""
Fork = Callable[[Callable[[int], None]], int]


class Demand(StrEnum):
    """What is to happen where a wall is missing: INTELLYHUB_WALLS."""

    REQUIRE = "require"  # do not start
    BEST_EFFORT = "best-effort"  # say which is missing, and start with the others


class Walls(NamedTuple):
    """What can be built here."""

    namespaces: bool = False
    """File system, processes, IPC and host name of its own."""
    landlock: int = 0
    """The version of Landlock's interface; 0 is none."""
    seccomp: bool = False
    """System calls that no flow needs are refused."""
    cgroup: Mapping[str, str] = MappingProxyType({})
    """Where groups for workers can be made, by what is limited there: `memory`, `pids`, `cpu`; `address`."""
    addresses: bool = False
    """Connections and datagrams to link-local addresses and metadata services are refused by the kernel."""
    gate: bool = False
    """Where they are not, or where namespaces do not hide sockets: connections of authors' processes are looked at."""
    users: bool = False
    """Each tenant has a user id of its own."""
    missing: tuple[str, ...] = ()
    """One sentence per wall that is missing: what it is, and how it could be had."""


def probe() -> Walls:
    """Try each wall in a process of its own. Takes some ten milliseconds; ask once, in a process with one thread."""
    if sys.platform != "linux":
        return Walls(missing=("Workers have no walls on this system: they are built from what Linux offers.",))
    missing: list[str] = []
    users = find_users()
    namespaces = find_namespaces(users, missing)
    if not (users := users and namespaces):
        missing.append(
            "All tenants' workers have the platform's user id, kept apart by the other walls: run the platform as root,"
            " where the ids from 1900000000 on exist."
        )
    cgroup = find_cgroup(missing)
    gate = find_gate(missing)
    return Walls(
        namespaces=namespaces,
        landlock=find_landlock(missing),
        seccomp=find_seccomp(missing),
        cgroup=cgroup,
        addresses=find_addresses(cgroup, gate, missing),
        gate=gate,
        users=users,
        missing=tuple(missing),
    )


def demand(walls: Walls, wanted: str) -> None:
    """Raise `InputInvalid` where `wanted`, the setting INTELLYHUB_WALLS, is not met, or is no such word."""
    try:
        wish = Demand(wanted or Demand.BEST_EFFORT)
    except ValueError:
        raise InputInvalid(f"INTELLYHUB_WALLS is {wanted!r}; it can be {' or '.join(Demand)}") from None
    if wish is Demand.REQUIRE and walls.missing:
        raise InputInvalid("INTELLYHUB_WALLS=require, but walls are missing:\n" + "\n".join(walls.missing))


def find_namespaces(users: bool, missing: list[str]) -> bool:
    """Whether a process can be forked into namespaces, and given a root of its own there."""
    from intellyhub_engine.walls import namespaces
    from intellyhub_engine.walls.tree import Tree, find_root, plan

    def build(number: int) -> None:
        namespaces.settle()
        tree = Tree(find_root())
        tree.fill(plan((), ()))
        tree.complete(plan((), ()))
        tree.size_scratch(1 << 20)
        tree.enter()

    fault = attempt(build, functools.partial(namespaces.fork, users=users))
    if fault:
        missing.append(
            f"Namespaces are refused ({fault}): only Landlock keeps workers from the machine's files and processes;"
            f" {NAMESPACES_REMEDY}."
        )
    return not fault


def find_landlock(missing: list[str]) -> int:
    """The version of Landlock that works here."""
    from intellyhub_engine.walls import landlock, namespaces, privileges

    version = landlock.find_version()

    def build(number: int) -> None:
        privileges.forbid_new_privileges()
        landlock.Ruleset(version).enforce()

    fault = attempt(build, namespaces.fork_plainly) if version else "the kernel does not offer it"
    if fault:
        missing.append(
            f"Landlock, the second wall around files, is missing ({fault}): Linux 5.13 with lsm=landlock has it."
        )
        return 0
    if version < SCOPING:
        missing.append(
            f"Landlock of version {version} leaves abstract unix sockets open: Linux 6.12 has version {SCOPING}."
        )
    return version


def find_seccomp(missing: list[str]) -> bool:
    """Whether system calls can be filtered, on a processor whose numbers are known."""
    from intellyhub_engine.walls import kernel, namespaces, privileges, seccomp

    def build(number: int) -> None:
        privileges.forbid_new_privileges()
        seccomp.install_first()
        seccomp.install_last()
        with suppress(PermissionError):
            kernel.unmount("/nowhere")
            raise OSError(0, "the filter has no effect")

    known = platform.machine() in seccomp.PROCESSORS
    fault = attempt(build, namespaces.fork_plainly) if known else f"the calls of {platform.machine()} are not known"
    if fault:
        missing.append(
            f"System calls are not filtered ({fault}): the kernel needs CONFIG_SECCOMP_FILTER on x86-64 or arm64."
        )
    return not fault


def find_cgroup(missing: list[str]) -> dict[str, str]:
    """Where groups can be made, and what they limit."""
    from intellyhub_engine.walls import groups

    found = groups.find_folders()
    groups.sweep(found)
    absent = [words for name, words in LIMITED_BY_GROUP.items() if name not in found]
    if absent:
        missing.append(
            f"Nothing limits a worker's {' and '.join(absent)} as a whole, only process by process: run the platform as"
            " root, or with `systemd-run --user --scope --property=Delegate=yes`."
        )
    return found


def find_gate(missing: list[str]) -> bool:
    """Whether a process can look at the connections of those that descend from it."""
    from intellyhub_engine.walls import gate, namespaces, privileges, seccomp

    def build(number: int) -> None:
        privileges.forbid_new_privileges()
        privileges.open_to_equals()
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            socket.send_fds(theirs, [b"L"], [gate.close_behind()])
            with socket.socket() as connecting:
                os._exit(connecting.connect_ex(("127.0.0.1", 1)) % 256)
        theirs.close()
        listeners = socket.recv_fds(ours, 1, 1)[1]
        wanted = gate.receive(listeners[0]) if listeners else None
        if wanted is None:
            raise OSError(0, "who connects cannot be looked into")
        gate.answer(listeners[0], wanted.notice, EXAMPLE_FAULT)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != EXAMPLE_FAULT:
            raise OSError(0, "the answer was not taken")

    known = platform.machine() in seccomp.PROCESSORS
    fault = attempt(build, namespaces.fork_plainly) if known else f"the calls of {platform.machine()} are not known"
    if fault:
        missing.append(
            f"The connections of flows' programs cannot be looked at ({fault}): that needs Linux 5.9 and"
            " kernel.yama.ptrace_scope below 2."
        )
    return not fault


def find_addresses(cgroup: Mapping[str, str], gate: bool, missing: list[str]) -> bool:
    """Whether the kernel takes a program that refuses addresses, and heeds it."""
    from intellyhub_engine.walls import addresses, groups, namespaces

    def build(number: int) -> None:
        groups.enter_group({"address": cgroup["address"]}, number)
        addresses.attach(groups.name_group(cgroup["address"], number))

    fault = "no control group of version 2 can be made"
    if "address" in cgroup:
        fault = attempt(build, namespaces.fork_plainly, lambda number: groups.remove_group(cgroup, number))
    if fault and not gate:
        missing.append(
            f"Programs that flows start can reach link-local addresses and metadata services ({fault}): run the"
            " platform as root, or close 169.254.0.0/16 in the machine's firewall. States such as http refuse them"
            " in any case."
        )
    return not fault


def find_users() -> bool:
    """Whether tenants can have user ids of their own: not so as root in a namespace that holds a few ids only."""
    from intellyhub_engine.walls import namespaces, privileges
    from intellyhub_engine.walls.enclosure import FIRST_USER, MOST_USERS

    if not privileges.holds(
        privileges.CAP_SYS_ADMIN, privileges.CAP_SETUID, privileges.CAP_SETGID, privileges.CAP_CHOWN
    ):
        return False
    return not attempt(lambda number: privileges.become_user(FIRST_USER + MOST_USERS - 1), namespaces.fork_plainly)


def attempt(build: Callable[[int], None], fork: Fork, clean: Callable[[int], None] = lambda number: None) -> str:
    """Try to build a wall in a forked process; why it cannot be built, or nothing."""
    told, tell = os.pipe()

    def prepare(number: int) -> None:
        try:
            build(number)
        except OSError as fault:
            os.write(tell, str(fault.strerror or fault).encode())
        os._exit(0)

    try:
        child = fork(prepare)
        _, status = os.waitpid(child, 0)
        clean(child)
        os.close(tell)
        tell = -1
        return os.read(told, 4096).decode() or ("" if status == 0 else "a process for it ended at once")
    except OSError as fault:
        return str(fault.strerror or fault)
    finally:
        os.close(told)
        if tell != -1:
            os.close(tell)
