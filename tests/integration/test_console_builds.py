"""The console's builds and cluster states in a browser: a build that truly failed, and what a cluster would say."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conventions.house import ROOT
from tests.integration.browser import MISSING, Window, find_browser, open_browser, screenshot
from tests.integration.test_console import call_console_script, sign_in
from tests.soak.platform import Platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

BUILD = "b" * 32
DIGEST = f"sha256:{'d' * 64}"
REASON = "The image cannot be pulled: registry.example/flows/refund does not answer. Check INTELLYHUB_REGISTRY."
STAGES = [
    {"stage": "check", "status": "succeeded", "milliseconds": 41, "message": "no problems"},
    {"stage": "test", "status": "succeeded", "milliseconds": 320, "message": "2 tests passed"},
    {"stage": "plugins", "status": "skipped", "milliseconds": 0, "message": "it uses none"},
    {"stage": "image", "status": "running", "milliseconds": None, "message": ""},
]
SPLIT = {
    "state": "ready",
    "serves": True,
    "message": "",
    "since": "2026-01-01T10:00:00Z",
    "urls": {},
    "routed": {"v2": 25, "v1": 75},
    "rollout": {"version": 2, "stable": 1, "percent": 25, "phase": "running", "message": ""},
}
FAILING = {**SPLIT, "state": "failing", "message": REASON, "routed": {"v1": 100}, "rollout": None}


class ClusterAnswers:
    """Answers as a cluster's platform would: the real flow with `deployed`, two builds. What is sent is kept."""

    def __init__(self, page, flow):
        self.deployed = SPLIT
        self.sent: list[tuple[str, str, object]] = []
        self.flow = flow
        page.route(re.compile(r"/api/flows/[^/]+$"), self.show_flow)
        page.route(re.compile(r"/api/flows/[^/]+/builds"), self.show_builds)
        page.route(re.compile(rf"/api/builds/{BUILD}$"), self.show_build)
        page.route(re.compile(r"/api/builds/.*/log"), self.show_log)
        page.route(re.compile(r"/api/(flows/[^/]+/(rollout|promote|versions/1/rollback)|builds/.*/cancel)$"), self.take)

    def show_flow(self, route):
        document = route.fetch().json()
        route.fulfill(json={**document, "version": 2, "deployment": self.deployed})

    def builds(self):
        common = {"flow": {"id": self.flow, "slug": "refund", "name": "Refund"}, "target": "", "attempts": 1}
        common |= {"created_by": "ada@example.org", "created_at": "2026-01-01T10:00:00Z"}
        common |= {"started_at": "2026-01-01T10:00:01Z"}
        ended = {"ended_at": "2026-01-01T10:00:04Z", "digest": DIGEST, "size": 65_400_000}
        image = f"registry.example/flows/refund@{DIGEST}"
        going = {"ended_at": None, "digest": "", "size": None, "image": "", "message": ""}
        return [
            {"id": BUILD, "version": 2, "status": "running", **going, **common},
            {"id": "c" * 32, "version": 1, "status": "succeeded", "message": "", "image": image, **ended, **common},
        ]

    def show_builds(self, route):
        if route.request.method == "POST":
            return self.take(route)
        return route.fulfill(json={"items": self.builds(), "builds": self.builds(), "next_cursor": None})

    def show_build(self, route):
        route.fulfill(json={**self.builds()[0], "stages": STAGES})

    def show_log(self, route):
        lines = [
            f"id: {number}\nevent: line\ndata: {json.dumps({'stage': 'test', 'text': text})}\n\n"
            for number, text in enumerate(["== check", "2 tests passed"], 1)
        ]
        route.fulfill(body="".join(lines) + "id: 2\nevent: done\ndata: {}\n\n", content_type="text/event-stream")

    def take(self, route):
        request = route.request
        self.sent.append((request.method, request.url.partition("/api/")[2], request.post_data_json))
        route.fulfill(status=202, json={})


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(MISSING)
    with open_browser(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def platform(browser):
    made = call_console_script()
    assert made.returncode == 0, made.stdout + made.stderr
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="console-"))
    try:
        with Platform(folder / "data", {"INTELLYHUB_ENGINE_IMAGE": f"oci:{folder / 'no-engine'}"}) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def window(browser, platform, tmp_path):
    context = browser.new_context(base_url=platform.address, locale="en-GB", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    opened = Window(context)
    opened.page.goto("/sign-in")
    sign_in(opened.page)
    expect(opened.page.get_by_role("link", name="Refund")).to_be_visible()
    yield opened
    screenshot(opened, tmp_path, "at-the-end")
    context.close()


@pytest.fixture
def cluster(window, platform):
    return ClusterAnswers(window.page, platform.ask("GET", "/api/flows/refund")["id"])


def test_a_build_that_failed_says_at_which_stage_and_why_and_is_tried_again(window, platform):
    platform.ask("POST", "/api/flows/refund/builds", {"to": "127.0.0.1:9/flows/refund:1"})
    page = window.page
    page.goto("/flows/refund/builds")
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("== check")
    expect(page.get_by_role("listitem").filter(has_text="Check").first).to_be_visible()
    expect(
        page.get_by_role("listitem").filter(has_text="the engine image is no OCI image layout").first
    ).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Version 1: stages and log")).to_have_count(2)
    assert window.faults == []


def test_a_build_under_way_shows_its_stages_and_its_log_and_is_cancelled(window, cluster):
    page = window.page
    page.goto("/flows/refund")
    page.get_by_role("link", name="Builds").click()
    running = page.get_by_role("listitem").filter(has_text="Version 2").first
    expect(running).to_contain_text("it uses none")
    expect(running.get_by_role("log")).to_contain_text("2 tests passed")
    expect(page.get_by_text("65.4 MB")).to_be_visible()
    running.get_by_role("button", name="Cancel build").click()
    expect(page.get_by_text("The build is being cancelled.").first).to_be_visible()
    assert cluster.sent == [("POST", f"builds/{BUILD}/cancel", None)]
    assert window.faults == []


def test_a_new_version_gets_a_part_then_everything_or_is_taken_back(window, cluster):
    page = window.page
    page.goto("/flows/refund/builds")
    card = page.get_by_role("region", name="On the cluster")
    expect(card).to_contain_text("Version 2 has 25 % of the requests, version 1 the rest.")
    expect(card.get_by_role("list", name="Requests by version").get_by_role("listitem")).to_have_text(
        ["v1: 75 %", "v2: 25 %"]
    )
    card.get_by_label("Percent of the requests for version 2").select_option("50 %")
    card.get_by_role("button", name="Give it that part").click()
    expect(page.get_by_text("Version 2 gets 50 % of the requests.").first).to_be_visible()
    card.get_by_role("button", name="Give it all").click()
    expect(page.get_by_text("Version 2 gets all requests.").first).to_be_visible()
    card.get_by_role("button", name="Take it back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("Version 1 has all requests again.").first).to_be_visible()
    named = [(path.rpartition("/")[2], sent) for _, path, sent in cluster.sent]
    assert named == [("rollout", {"percent": 50}), ("promote", None), ("rollback", None)]
    assert window.faults == []


def test_a_flow_that_does_not_get_ready_says_why_wherever_one_looks(window, cluster):
    cluster.deployed = FAILING
    page = window.page
    page.goto("/flows/refund")
    notice = page.get_by_role("status").filter(has_text="Version 2 does not get ready")
    expect(notice).to_contain_text(REASON)
    notice.get_by_role("link", name="Look at it").click()
    card = page.get_by_role("region", name="On the cluster")
    expect(card).to_contain_text(REASON)
    expect(card).to_contain_text("Requests are answered meanwhile, by the version before.")
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemradio", name="Italiano").click()
    expect(page.get_by_role("region", name="Sul cluster")).to_contain_text("La versione 2 non diventa pronta")
    assert window.faults == []


SIZES = [(390, "light", FAILING), (820, "dark", SPLIT), (1440, "light", SPLIT)]


@pytest.mark.parametrize(("width", "scheme", "deployed"), SIZES, ids=["phone", "tablet", "desk"])
def test_builds_fit_their_screen_and_can_be_read_by_everybody(window, cluster, tmp_path, width, scheme, deployed):
    cluster.deployed = deployed
    page = window.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    axe = (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()
    for path in ("/flows/refund/builds", "/flows/refund"):
        page.goto(path)
        if path.endswith("builds"):
            expect(page.get_by_role("log")).to_be_visible()
        else:
            expect(page.get_by_text("No problems").filter(visible=True).first).to_be_visible()
        screenshot(window, tmp_path, f"{path.rpartition('/')[2]}-{width}")
        page.evaluate(axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
        assert not window.is_wider_than_the_screen()
    assert window.faults == []
