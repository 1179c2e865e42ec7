"""Shows a flow at work: a news feed is watched, each article is one run, those that matter become chat messages.

    python scripts/demo.py

Everything is on this machine: a feed server with a real RSS file, a server that speaks Telegram's Bot API, and
`intellyhub run --listen` between them, exactly as one would use it with the real ones.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from intellyhub_functions.testing.feeds import FeedServer
from intellyhub_functions.testing.telegram_api import TelegramApi

ROOT = Path(__file__).resolve().parent.parent
FEED = ROOT / "scripts" / "demo" / "feed.xml"
PUBLISHED_FLOW = ROOT.parent / "shared" / "flows" / "hub__seed_rss_news_monitor_it.yaml"
OWN_FLOW = ROOT / "docs" / "examples" / "rss-news-monitor.yaml"
KEPT = ROOT / ".cache" / "demo"
COMMAND = Path(sys.executable).with_name("intellyhub")
TOKEN = "4242:demonstration-bot"  # noqa: S105 (of no real bot)
LIMIT_SECONDS = 60


def main() -> int:
    """Run the demonstration; return the exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make run | head` ends quietly
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    flow = PUBLISHED_FLOW if PUBLISHED_FLOW.is_file() else OWN_FLOW
    articles = ElementTree.fromstring(FEED.read_bytes()).findall("channel/item")  # noqa: S314 (our own file)
    with FeedServer() as feeds, TelegramApi(TOKEN) as telegram:
        feeds.documents["/feed.xml"] = FEED.read_bytes()
        feed = f"{feeds.url}/feed.xml"
        say(f"A feed of {len(articles)} articles is at {feed}, a Telegram Bot API at {telegram.url}.")
        say(f"The flow is {shown(flow)}. It runs once for every article:\n")
        code = run_flow(flow, feed, telegram.url, len(articles))
    if code != 0:
        say(f"\nThe flow did not run: exit code {code}.")
        return code
    return show_result(len(articles), telegram.sent)


def run_flow(flow: Path, feed_url: str, telegram_url: str, events: int) -> int:
    """Listen until every article of the feed was heard; what the command prints is what a person would see."""
    environment = os.environ | {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "1001",
        "TELEGRAM_API_URL": telegram_url,
    }
    listener = [f"url={feed_url}", "emit_existing=true", "check_interval=1"]
    options = [word for value in listener for word in ("--listener", value)]
    command: list[str | Path] = [
        COMMAND,
        "run",
        flow,
        "--listen",
        "--verbose",
        "--max-events",
        str(events),
        "--journal",
        journal(),
        *options,
    ]
    try:
        return subprocess.run(command, env=environment, timeout=LIMIT_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        say(f"\nThe flow was stopped after {LIMIT_SECONDS} s.")
        return 1


def show_result(events: int, sent: list[dict[str, Any]]) -> int:
    """What came out, and what to try next. The exit code says whether it is what the feed and the journal say."""
    say(f"\n{events} articles, {len(sent)} messages. What the chat received:\n")
    for message in sent:
        for line in message["text"].strip().splitlines():
            say(f"  │ {line}" if can_show("│") else f"  | {line}")
        say("")
    listed = subprocess.run(
        [COMMAND, "runs", "--journal", journal(), "--json"], capture_output=True, check=True, timeout=LIMIT_SECONDS
    )
    runs = json.loads(listed.stdout)
    succeeded = sum(run["status"] == "succeeded" for run in runs)
    say(f"All {len(runs)} runs are in the journal {shown(journal())}. Try:\n")
    command = shown(COMMAND)
    for words in (f"runs --journal {shown(journal())}", f"runs show {runs[0]['run_id']} --journal {shown(journal())}"):
        say(f"  {command} {words}")
    say(f"  {command} graph docs/examples/rss-news-monitor.yaml")
    say(f"  {command} run docs/examples/hello.yaml --var name=Ada")
    return 0 if succeeded == events and sent else 1


def journal() -> Path:
    """Where this demonstration keeps its runs."""
    return KEPT / "journal.db"


def shown(path: Path) -> str:
    """A path as one would type it here."""
    near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(near))


def can_show(text: str) -> bool:
    """Whether standard output knows these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def say(text: str) -> None:
    """Print at once, so that lines of this process and of the command it calls stay in order."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


if __name__ == "__main__":
    sys.exit(main())
