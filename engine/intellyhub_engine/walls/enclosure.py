"""A worker behind walls: forked into namespaces of its own, then closed in with what one flow may reach."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path

from intellyhub_engine.frozen import dataclass
from intellyhub_engine.walls import addresses, groups, kernel, landlock, namespaces, orders, privileges, seccomp
from intellyhub_engine.walls.limits import set_limits
from intellyhub_engine.walls.probe import Walls
from intellyhub_engine.walls.tree import DEVICES, OUTSIDE, SCRATCH, SYSTEM, Tree, find_root, plan

__all__ = ["Cell", "Ground", "enclose", "fork_enclosed", "prepare", "settle_in"]

FIRST_USER = 1_900_000_000
"""Tenants' user ids begin here. Nobody else takes ids from this range: below are people, services, subordinate ids and
containers (UIDS-GIDS.md of systemd)."""
MOST_USERS = 200_000_000
SHARED_PROCESSES = 32
"""A limit on a user's processes counts those of all its workers, and those that the platform has as the same user; only
in a user namespace of its own a worker is counted alone. Elsewhere the limit is this many times one worker's."""
ADDRESS_FACTOR = 8
"""Where nothing counts the memory of a worker as a whole, address space is limited to so many times its memory:
programs such as Node.js reserve much and use little."""
MOST_LOCKED_BYTES = 1 << 20
OUT_OF_MEMORY_SCORE = "500"
"""Added to a worker's badness, in thousandths: it dies before the platform does."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What every worker of a platform stands on, known before any flow is."""

    readable: tuple[Path, ...]
    """Folders that a worker reads and executes from: the Python installation, this project's packages, compiled flows.
    The system's own (/usr, /lib, /etc/ssl, ...) need no mention."""
    hidden: tuple[Path, ...]
    """Folders of which nothing is visible, but for what the cell names: the data folder, the sockets."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one worker may reach and use. Paths are absolute and keep their names inside."""

    user: int
    """A number that differs from tenant to tenant: where the platform runs as root, it becomes a user id of its own."""
    workspace: Path
    """The only folder it can write, beside a /tmp of its own."""
    readable: tuple[Path, ...] = ()
    """Its tenant's flows, and the journal's socket."""
    memory_bytes: int = 1 << 30
    processes: int = 128
    open_files: int = 1024
    file_bytes: int = 1 << 30
    temporary_bytes: int = 256 << 20
    """The size of its /tmp."""


STANDARD = Cell(user=0, workspace=Path("/"))
"""What most cells have in common is set before any is known: its size."""


class Prepared:
    """What `settle_in` leaves to `fork_enclosed`, that to `prepare`, and that to `enclose`, in the child."""

    settled: bool = False
    """The parent has what its children's walls have in common."""
    tree: Tree | None = None
    rules: landlock.Ruleset | None = None
    number: int = 0
    done: bool = False


def fork_enclosed(walls: Walls, ground: Ground) -> int:
    """Fork as `os.fork` does; the child is in namespaces and control groups of its own, and still sees and reaches what
    its parent does, until it calls `enclose`. The child's process id is the one that its parent knows it by.

    Raises `OSError` in the parent where the namespaces are refused. A child that cannot enter its groups ends with 70
    and says why on standard error. The parent must have one thread, and orphans of its descendants become its own
    children (PR_SET_CHILD_SUBREAPER).
    """
    make_ready(walls, ground)
    if walls.namespaces:
        return namespaces.fork(lambda number: join(walls, number), users=walls.users)
    return namespaces.fork_plainly(lambda number: join(walls, number))


def settle_in(walls: Walls, ground: Ground) -> Walls:
    """For a process that does nothing but `fork_enclosed` from here on: put up around it, once, what the walls of its
    children have in common. The walls as they are to be given to `fork_enclosed` then.

    As root it moves into the file system that workers see, with the machine's at `tree.OUTSIDE`, which its children
    detach. The cells of its children may name only what lies in `ground.hidden`, or in /tmp.
    """
    make_ready(walls, ground)
    if not (walls.namespaces and walls.users):
        return walls
    kernel.unshare(namespaces.CLONE_NEWNS)
    namespaces.settle_mounts()
    tree = make_tree(ground)
    tree.move_in()
    Prepared.tree = tree
    if privileges.holds(privileges.CAP_SETPCAP):
        privileges.drop_bounds()
    privileges.forbid_new_privileges()
    Prepared.settled = True
    return walls._replace(cgroup={name: OUTSIDE + folder for name, folder in walls.cgroup.items()})


def make_ready(walls: Walls, ground: Ground) -> None:
    """Make in the parent, once, what children need again and again."""
    if walls.namespaces:
        plan(ground.readable, ground.hidden)
    if walls.seccomp:
        seccomp.make_first(platform.machine(), find_allowed(walls))
        seccomp.make_last(platform.machine())
    if walls.addresses:
        addresses.programs()


def find_allowed(walls: Walls) -> frozenset[str]:
    """The system calls that need not be refused here, or must not be."""
    memory_files = {"memfd_create"} if "memory" in walls.cgroup else set()
    keeper = {"pidfd_getfd"} if needs_gate(walls) else set()  # the gate itself refuses it to authors
    return frozenset(memory_files | keeper)


def needs_gate(walls: Walls) -> bool:
    """Whether connections of authors' processes go through a gate."""
    return walls.gate and not (walls.addresses and walls.namespaces)


def join(walls: Walls, number: int) -> None:
    """Enter the groups. The kernel takes its time for that (it waits for all processors to pass a quiet point), not the
    processor's. `number` is the process id that the parent knows."""
    Prepared.number = number
    privileges.open_to_equals()  # else its files in /proc belong to root
    groups.enter_group(walls.cgroup, number)
    privileges.close_to_equals()


def prepare(walls: Walls, ground: Ground) -> None:
    """For a child of `fork_enclosed` that has the time: what `enclose` does first, and needs no cell for. The process
    must do nothing for anybody before it has called `enclose`. Raises `OSError` as that does."""
    if Prepared.done:
        return
    Prepared.done = True
    privileges.open_to_equals()
    set_group_limits(walls, STANDARD)
    if walls.addresses:
        addresses.attach(groups.name_group(walls.cgroup["address"], Prepared.number))
    be_chosen_first()
    if walls.namespaces:
        namespaces.settle(ties=Prepared.tree is None)
        if Prepared.tree is None:
            Prepared.tree = make_tree(ground)
        Prepared.tree.complete(plan(ground.readable, ground.hidden))
        Prepared.tree.size_scratch(STANDARD.temporary_bytes)
    if walls.landlock:
        Prepared.rules = make_rules(walls, ground)
    if not Prepared.settled:
        if privileges.holds(privileges.CAP_SETPCAP):
            privileges.drop_bounds()
        privileges.forbid_new_privileges()
    privileges.close_to_equals()
    if walls.seccomp:
        seccomp.install_first(allowed=find_allowed(walls))


def enclose(walls: Walls, ground: Ground, cell: Cell) -> None:
    """Close the walls around this process, for good. Raises `OSError` where one that `walls` promises cannot be built:
    the process must then end, and run nothing. Called once, in a child of `fork_enclosed`."""
    prepare(walls, ground)
    tree, rules = Prepared.tree, Prepared.rules
    Prepared.tree = Prepared.rules = None
    user = FIRST_USER + cell.user % MOST_USERS if walls.users else os.geteuid()
    if user == 0 or walls.users:
        own(tree.find(cell.workspace) if tree is not None else cell.workspace, user)
    if (cell.memory_bytes, cell.processes) != (STANDARD.memory_bytes, STANDARD.processes):
        set_group_limits(walls, cell)
    if tree is not None:
        furnish(tree, cell, user)
    os.chdir(cell.workspace)
    limit(walls, cell)
    if user != os.geteuid():
        privileges.become_user(user)
    privileges.drop_capabilities()
    privileges.close_to_equals()
    privileges.die_with_parent()
    if rules is not None:
        for path in () if tree is not None else cell.readable:
            rules.allow(str(path), landlock.READ)
        rules.allow(str(cell.workspace), landlock.WRITE)
        if tree is not None:
            rules.allow(SCRATCH, landlock.WRITE)
        rules.enforce()
    if walls.seccomp:
        seccomp.install_last()
    if needs_gate(walls):
        orders.gate = "" if walls.namespaces else os.path.realpath(cell.workspace)


def set_group_limits(walls: Walls, cell: Cell) -> None:
    """Limit what the processes of the worker use together."""
    groups.limit_group(walls.cgroup, Prepared.number, memory_bytes=cell.memory_bytes, processes=cell.processes)


def own(workspace: Path, user: int) -> None:
    """Give the workspace to its tenant's user, where it is not that already."""
    if workspace.stat().st_uid != user:
        for _, _, files, descriptor in os.fwalk(workspace, follow_symlinks=False):
            for name in files:
                os.chown(name, user, user, dir_fd=descriptor, follow_symlinks=False)
            os.chown(descriptor, user, user)


def make_tree(ground: Ground) -> Tree:
    """The file system that all workers have in common."""
    tree = Tree(find_root())
    tree.fill(plan(ground.readable, ground.hidden))
    return tree


def furnish(tree: Tree, cell: Cell, user: int) -> None:
    """Put into the prepared file system what belongs to the cell, and make it the root."""
    if cell.temporary_bytes != STANDARD.temporary_bytes:
        tree.size_scratch(cell.temporary_bytes)
    for path in cell.readable:
        tree.add(path)
    tree.add(cell.workspace, writable=True)
    tree.write("/etc/passwd", f"flow:x:{user}:{user}::{cell.workspace}:/bin/sh\n")
    tree.write("/etc/group", f"flow:x:{user}:\n")
    tree.enter()


def limit(walls: Walls, cell: Cell) -> None:
    """Set the limits of each process, and of the user's processes together."""
    alone = walls.namespaces and not walls.users and "pids" not in walls.cgroup
    wanted = {
        resource.RLIMIT_DATA: cell.memory_bytes,
        resource.RLIMIT_NPROC: cell.processes if alone else cell.processes * SHARED_PROCESSES,
        resource.RLIMIT_NOFILE: cell.open_files,
        resource.RLIMIT_FSIZE: cell.file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: MOST_LOCKED_BYTES,
    }
    if "memory" not in walls.cgroup:
        wanted[resource.RLIMIT_AS] = cell.memory_bytes * ADDRESS_FACTOR
    set_limits(wanted)


def make_rules(walls: Walls, ground: Ground) -> landlock.Ruleset:
    """What Landlock allows to every worker. Behind namespaces that is what is there; without them, what would be."""
    rules = landlock.Ruleset(walls.landlock)
    if Prepared.tree is not None:
        rules.allow(Prepared.tree.root or "/", landlock.READ)
        rules.allow(Prepared.tree.root + "/dev", landlock.DEVICE)  # nothing else is there
    else:
        for name in DEVICES:
            rules.allow("/dev/" + name, landlock.DEVICE)
        for path in (*map(Path, SYSTEM), Path("/proc"), *ground.readable):
            if os.access(path, os.F_OK):  # not `exists`, which raises where a folder above is closed
                rules.allow(str(path), landlock.READ)
    return rules


def be_chosen_first() -> None:
    """Be what the kernel ends first when memory runs out."""
    groups.write("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE)
