"""A real Chromium, found on this machine or installed, and pages that remember what went wrong in them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # A page of ours is all that it ever sees, and as root, or in a container, its own walls cannot stand.
    "--no-sandbox",
)
MISSING = (
    "no Chromium on this machine: install chromium, or let the test install Debian's "
    "(INTELLYHUB_INSTALL_BROWSER=1, as root)"
)


def find_browser() -> str | None:
    """The path of a browser; Debian's is installed when the environment allows it."""
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is None and os.environ.get("INTELLYHUB_INSTALL_BROWSER") == "1" and os.geteuid() == 0:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet", *words], check=True, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium")
    return found


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """Start a browser with a profile of its own, gone at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET), headless=True)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """One page, and every error that its console showed: exceptions, refused resources, policy violations."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            place = message.location
            self.faults.append(f"{message.type}: {message.text} ({place['url']}:{place['lineNumber']})")

    def is_wider_than_the_screen(self) -> bool:
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))


def screenshot(window: Window, folder: Path, name: str) -> None:
    """Keep what the page looks like, for a person who looks into a failure."""
    window.page.screenshot(path=folder / f"{name}.png")
