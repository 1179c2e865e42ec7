"""A flow's pod as a process: its folders, its token, its files of secrets, and its command, without a cluster."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from intellyhub_functions.testing.ports import free_port
from intellyhub_knative.platform.journal.access import flow_token
from intellyhub_knative.platform.journal.client import JournalClient
from intellyhub_knative.platform.keys import Keys, Purpose, load_keys
from intellyhub_knative.platform.layout import Layout
from tests.integration.platform_processes import Process
from tests.integration.workers import ROOT, Worker

NAME = f"{'a' * 32}/{'b' * 32}"
CALLER = "a-token-for-callers"


class JournalService:
    """The journal's process, reached over TCP; on SQLite, as that is not what is tried here."""

    def __init__(self, layout: Layout) -> None:
        layout.data.mkdir(exist_ok=True)
        self.layout = layout
        self.keys: Keys = load_keys(layout.key)
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process = Process(layout, "journal", INTELLYHUB_JOURNAL_LISTEN=f"127.0.0.1:{self.port}")

    def __enter__(self) -> JournalService:
        self.process.__enter__()
        self.client = JournalClient(self.address, self.keys.token(Purpose.JOURNAL))
        return self

    def __exit__(self, *fault: object) -> None:
        self.client.close()
        self.process.__exit__(*fault)

    def token(self, name: str = NAME) -> str:
        return flow_token(self.keys, name)


class Mount:
    """A folder that is replaced as the kubelet does it: files are links into `..data`, which is a link itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        folder.mkdir(parents=True)

    def put(self, **files: str) -> None:
        self.number += 1
        real = self.folder / f"..{self.number}"
        real.mkdir()
        for name, text in files.items():
            (real / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(real.name)
        fresh.rename(self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self.number - 1}", ignore_errors=True)


class Pod:
    """What a container of a flow's pod finds."""

    def __init__(self, folder: Path, journal: JournalService | None, flow: str, **environment: str) -> None:
        self.folder = folder
        self.image = folder / "flow"
        self.image.mkdir(parents=True)
        (self.image / "flow.yaml").write_text(flow)
        (folder / "tmp").mkdir()
        self.inbox = folder / "tmp" / "workspace" / "inbox"
        self.run = folder / "var" / "run"
        self.token = Mount(self.run / "token")
        self.variables = Mount(self.run / "variables")
        self.secrets = Mount(self.run / "secrets")
        self.secrets.put(API_KEY="first-secret-value")
        self.tell({"CITY": "Rome"}, {})
        self.environment = {
            "HOME": "/",
            "PYTHONSAFEPATH": "1",
            "TMPDIR": str(folder / "tmp"),
            "PORT": str(free_port()),
            "K_REVISION": "orders-00001",
            "INTELLYHUB_HOST": "127.0.0.1",
            "INTELLYHUB_FLOW": str(self.image / "flow.yaml"),
            "INTELLYHUB_FLOW_NAME": NAME,
            "INTELLYHUB_WORKSPACE": str(folder / "tmp" / "workspace"),
            "INTELLYHUB_WORKER_TOKENS": CALLER,
            "INTELLYHUB_VARIABLES_FILE": str(self.variables.folder / "variables.json"),
            "INTELLYHUB_BUDGET_FILE": str(self.variables.folder / "budget.json"),
            "INTELLYHUB_SECRETS_DIR": str(self.secrets.folder),
            "INTELLYHUB_QUIET_SECONDS": "0.1",
            "PYTHONUNBUFFERED": "1",
        }
        if journal is not None:
            self.show(journal.token())
            self.environment |= {
                "INTELLYHUB_JOURNAL": journal.address,
                "INTELLYHUB_JOURNAL_TOKEN_FILE": str(self.token.folder / "token"),
            }
        self.environment |= environment

    def tell(self, variables: dict[str, Any], budget: dict[str, Any]) -> None:
        self.variables.put(**{"variables.json": json.dumps(variables), "budget.json": json.dumps(budget)})

    def show(self, token: str) -> None:
        self.token.put(token=token)

    def start(self, *command: str) -> Worker:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "COVERAGE_PROCESS_START")}
        return Worker(list(command), kept | self.environment, self.folder)

    def lean(self) -> Worker:
        return self.start(sys.executable, "-m", "intellyhub_engine.serving").wait_until_it_listens()

    def framework(self) -> Worker:
        source = ("--source", str(ROOT / "engine" / "main.py"), "--target", "handle_event")
        place = ("--host", "127.0.0.1", "--port", self.environment["PORT"])
        return self.start(sys.executable, "-m", "functions_framework", *source, *place).wait_until_it_listens()

    def listener(self) -> Worker:
        return self.start(sys.executable, "-m", "intellyhub_engine.serving.listener").wait_until_it_listens()
