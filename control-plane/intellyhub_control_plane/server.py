"""`python -m intellyhub_control_plane.server`: the control plane as a process of the local platform.

gunicorn serves it with threads on the inherited unix socket. The application is made before the workers are forked;
connections are made after.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers import gthread
from sqlalchemy.exc import DBAPIError

from intellyhub_control_plane.builds.at_home import work_off
from intellyhub_control_plane.database.database import Database, reason_of
from intellyhub_control_plane.database.migrate import migrate
from intellyhub_control_plane.errors import SettingsInvalid
from intellyhub_control_plane.first_start import make_first
from intellyhub_control_plane.platform import Platform, make_platform
from intellyhub_control_plane.scratch import MULTIPROCESS, empty_scratch, remove_scratch
from intellyhub_control_plane.services.watching import look_at_due
from intellyhub_control_plane.settings import read_settings
from intellyhub_control_plane.target.rollouts import settle_rollouts
from intellyhub_control_plane.target.sweeping import mend_layers, sweep_layers, sweep_plugins
from intellyhub_engine.errors import EngineError
from intellyhub_knative.platform.layout import Layout
from intellyhub_knative.platform.service import Surroundings, enter

__all__ = ["main"]

LOG = logging.getLogger(__name__)
logging.getLogger("alembic").setLevel(logging.WARNING)
RECONCILE_SECONDS = 30.0
LOOK_SECONDS = 20.0
REQUEST_SECONDS = 120
GRACE_SECONDS = 3
LINGER_SECONDS = 0.3
"""For kept-alive connections at the end: the gateway, who holds them, is stopped before us."""
BACKLOG = 1024


def main(environment: Mapping[str, str]) -> int:
    """Serve until SIGTERM. 2: it cannot start, and says why."""
    try:
        surroundings = enter(environment)
        settings = read_settings(environment)
    except (EngineError, SettingsInvalid) as fault:
        print(f"ERROR {fault}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 2
    share_metrics(surroundings.layout)
    platform = make_platform(settings, surroundings.layout, surroundings.keys, surroundings.journal)
    try:
        migrate(platform.database)
        administrator = make_first(platform)
    except DBAPIError as fault:
        LOG.error("%s", explain(fault, platform.database))  # noqa: TRY400 - the message is all there is to say
        return 2
    if administrator is not None:
        if surroundings.ready_descriptor is None:
            LOG.warning("administrator: %s password: %s", administrator.email, administrator.password)
        surroundings.tell("administrator", email=administrator.email, password=administrator.password)
    platform.publisher.reconcile()
    platform.database.dispose()
    from intellyhub_control_plane.web.app import make_app

    Server(make_app(platform), platform, surroundings).run()
    return 0


def explain(fault: DBAPIError, database: Database) -> str:
    """Why the database cannot be used, in one line. Its address is named without the password."""
    reason = reason_of(fault)
    place = database.engine.url.render_as_string(hide_password=True)
    return f"the database {place} cannot be used: {reason}; start it, or correct DATABASE_URL"


def share_metrics(layout: Layout) -> None:
    """Tell prometheus-client where the processes add up their figures, before anything imports it."""
    folder = empty_scratch(layout.data)
    os.environ[MULTIPROCESS] = str(folder)
    atexit.register(remove_scratch, folder, os.getpid())


class GentleArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which leaves the socket's file where it is: it is the supervisor's, and others wait in it."""

    def stop(self, graceful: bool = True) -> None:
        """As sockets handed down by systemd are treated."""
        self.systemd = True
        super().stop(graceful)


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, told in code what its configuration files would say."""

    def __init__(self, app: Flask, platform: Platform, surroundings: Surroundings) -> None:
        self.app = app
        self.platform = platform
        self.surroundings = surroundings
        self.socket = open_port(platform.settings.listen) or surroundings.listen("control")
        gthread.STOP_KEEPALIVE_LINGER = LINGER_SECONDS
        super().__init__()

    def run(self) -> None:
        """Until SIGTERM."""
        GentleArbiter(self).run()

    def load_config(self) -> None:
        """Processes and threads; the socket is ours and stays open while gunicorn comes and goes."""
        settings: dict[str, Any] = {
            "bind": f"fd://{self.socket.fileno()}",
            "workers": self.platform.settings.processes,
            "worker_class": "gthread",
            "threads": self.platform.settings.threads,
            "backlog": BACKLOG,
            "timeout": REQUEST_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 75,
            "worker_tmp_dir": os.environ[MULTIPROCESS],
            "control_socket_disable": True,
            "loglevel": "warning",
            "when_ready": self.when_ready,
            "post_worker_init": self.post_worker_init,
            "child_exit": forget_figures,
            "worker_exit": leave_at_once,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, made before the fork."""
        return self.app

    def when_ready(self, _arbiter: object) -> None:
        """The master listens; its workers are being forked."""
        self.surroundings.announce_ready()

    def post_worker_init(self, _worker: object) -> None:
        """In each worker: one of them keeps the target in agreement with the database, one looks at services, one sees
        to builds and repositories that were left in the middle."""
        for name, work, seconds in (
            ("reconcile", reconcile, RECONCILE_SECONDS),
            ("services", look_at_due, LOOK_SECONDS),
            ("builds-left", work_off, RECONCILE_SECONDS),
        ):
            told = (self.platform, name, work, seconds)
            threading.Thread(target=repeat_for_ever, args=told, name=name, daemon=True).start()


def open_port(address: tuple[str, int] | None) -> socket.socket | None:
    """A listening TCP socket, where there is to be one."""
    if address is None:
        return None
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.create_server(address, family=family, backlog=BACKLOG)


def reconcile(platform: Platform) -> None:
    """Bring the target into agreement, take away what no plugin needs any more, and bring back what is missing."""
    settle_rollouts(platform)
    platform.publisher.reconcile()
    deployments = platform.publisher.target.deployments().values()
    sweep_layers(platform.layout, deployments)
    sweep_plugins(platform.layout, deployments)
    if platform.publisher.target.has_images:  # whoever builds them sees to packages
        return
    for fault in mend_layers(platform.layout):
        LOG.warning("packages of plugins are missing, and will be tried again: %s", fault)


def repeat_for_ever(platform: Platform, name: str, work: Callable[[Platform], object], seconds: float) -> None:
    """Whoever gets the lock of that name works, now and every so often; when its process ends, another one gets it."""
    folder = platform.layout.data / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pause = threading.Event()
        while True:
            try:
                work(platform)
            except DBAPIError as fault:
                LOG.warning("a pass of %s cannot be made now, and will be made again: %s", name, reason_of(fault))
            except Exception:
                LOG.exception("a pass of %s failed, and will be made again", name)
            pause.wait(seconds)


def leave_at_once(_server: object, _worker: object) -> None:
    """A worker process has answered everything. What is left to tear down, the kernel does faster."""
    logging.shutdown()
    os._exit(0)


def forget_figures(_server: object, worker: Any) -> None:
    """A worker process ended: what it measured of the moment counts no more."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main(os.environ))
