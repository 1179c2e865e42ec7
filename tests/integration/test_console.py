"""The console in a real browser on the real platform: a person's way from an account to a run that lights up."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import urllib3
from playwright.sync_api import expect

from tests.conventions.house import ROOT
from tests.integration.browser import MISSING, Window, find_browser, open_browser, screenshot
from tests.soak.platform import EMAIL, Platform
from tests.soak.platform import PASSWORD as ADMIN_PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("console"), pytest.mark.timeout(300)]

PASSWORD = "a pass phrase of some length"
# Each page with a text that it shows when everything is there.
PAGES = {
    "/flows": "Refund",
    "/flows/refund": "No problems",
    "/flows/refund/runs": "Waiting",
    "/flows/refund/versions": "Current",
    "/flows/hello/call": "Run it as a member",
    "/runs": "at the latest",
    "/runs/{run}": "This run waits for a decision",
    "/dead-letters": "Every event has arrived",
    "/nowhere": "Nothing lives at this address",
}
FLOW = """\
name: Greeter
variables:
  who: nobody
listener:
  type: webhook
states:
  pause:
    state_type: wait
    seconds: 3
    transition: greet
  greet:
    state_type: set
    values:
      greeting: "Hello, {who}!"
    log: "greeting {who}"
    transition: end
"""


def call_console_script(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "console.py"), *arguments], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def console():
    """Builds the console as `make console` does."""
    made = call_console_script()
    assert made.returncode == 0, made.stdout + made.stderr


@pytest.fixture(scope="module")
def browser():
    path = find_browser()
    if path is None:
        pytest.skip(MISSING)
    with open_browser(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def platform(console, browser):
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="console-"))
    try:
        with Platform(folder / "data", {"INTELLYHUB_REGISTRATION": "open"}) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def window(browser, platform, tmp_path):
    context = browser.new_context(base_url=platform.address, locale="en-GB", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(15_000)
    opened = Window(context)
    yield opened
    screenshot(opened, tmp_path, "at-the-end")
    context.close()


def type_text(page, text):
    """Replace the whole text of the flow, as somebody who pastes."""
    page.get_by_role("textbox", name="flow's text").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def test_types_texts_and_units_of_the_console_are_sound(console):
    checked = call_console_script("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_person_makes_a_flow_mends_it_publishes_it_calls_it_and_watches_it_run(window, platform):
    page = window.page

    # An account, from an address that needs one: afterwards the person is where they wanted to go.
    page.goto("/flows?q=gre")
    expect(page).to_have_title("Sign in · IntellyHub")
    page.get_by_role("link", name="Create one").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Organisation").fill("Engines")
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url(re.compile(r"\d/flows\?q=gre$"))
    expect(page.get_by_text("No flow is called “gre”.")).to_be_visible()

    # A flow from a template.
    page.get_by_role("link", name="Flows", exact=True).click()
    expect(page.get_by_role("heading", name="Your first flow is one click away")).to_be_visible()
    page.get_by_role("button", name="Order desk").click()
    page.get_by_label("Name").fill("Greeter")
    page.get_by_role("button", name="Create flow").click()
    expect(page).to_have_title("Greeter · Flow · IntellyHub")
    expect(page.get_by_role("button", name="is_large if start")).to_be_visible()
    expect(page.get_by_text("No problems")).to_be_visible()

    # A broken text: the problem stands in the list and in the text, with what was meant.
    type_text(page, FLOW.replace("transition: greet\n", "transition: greeet\n"))
    problem = page.get_by_role("button", name="unknown-target")
    expect(problem).to_contain_text("greeet")
    expect(page.locator(".cm-lintRange").first).to_have_text("greeet")
    type_text(page, FLOW)
    expect(page.get_by_text("No problems")).to_be_visible()
    page.get_by_role("button", name="greet set").click()
    expect(page.locator(".cm-activeLine")).to_have_text("  greet:")
    expect(page.get_by_role("button", name="greet set")).to_have_attribute("aria-pressed", "true")

    # Published, with what changes shown first.
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_role("dialog", name="Publish version 2")).to_contain_text("who: nobody")
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 2 is published.", exact=True)).to_be_visible()

    # Its hook, called from outside; the run is watched while it waits, and lights up by itself.
    page.get_by_role("link", name="Call it").click()
    hook = page.get_by_text(re.compile(r"^http://[^ ]+/hooks/engines/greeter$")).inner_text()
    answer = urllib3.request("POST", hook, json={"who": "Grace"}, timeout=10, retries=False)
    assert answer.status == 202, answer.data
    page.goto(f"/runs/{answer.json()['run_id']}")
    expect(page.get_by_role("button", name="pause wait start, Waiting")).to_be_visible()
    expect(page.get_by_text("Live")).to_be_visible()
    expect(page.get_by_role("button", name="greet set Succeeded")).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True).first).to_be_visible()

    # Its steps.
    page.get_by_role("button", name="greet set").click()
    expect(page).to_have_url(re.compile(r"step=2\.1$"))
    expect(page.locator("dd").filter(has_text="Hello, Grace!")).to_be_visible()
    expect(page.get_by_text("greeting Grace")).to_be_visible()

    # Italian, which stays.
    page.get_by_role("button", name="Language").click()
    page.get_by_role("menuitemradio", name="Italiano").click()
    expect(page.get_by_role("heading", name="Passi")).to_be_visible()
    page.get_by_role("link", name="Esecuzioni", exact=True).first.click()
    expect(page).to_have_title("Esecuzioni · IntellyHub")
    expect(page.get_by_role("link", name="Riuscita")).to_contain_text("Greeter")

    assert window.faults == []


def test_a_person_answers_a_run_that_waits_and_forks_it(window, signed_in):
    page = window.page
    page.goto("/flows/refund")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_label("Variables (JSON)").fill('{"customer": "Grace", "amount": 500}')
    page.get_by_role("button", name="Start run").click()
    expect(page.get_by_role("heading", name="Refund 500 EUR to Grace?")).to_be_visible()
    page.get_by_label("Comment").fill("as promised")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("button", name="pay file Succeeded")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="check").get_by_role("button").click()
    page.get_by_role("button", name="Fork from here").click()
    page.get_by_label("Variables to change (JSON)").fill('{"amount": 7}')
    page.get_by_role("button", name="Start fork").click()
    expect(page.get_by_role("link", name="Forked from")).to_be_visible()
    expect(page.get_by_role("button", name="pay file Succeeded")).to_be_visible()
    expect(page.get_by_text("7 EUR are on their way to Grace.").first).to_be_visible()
    assert window.faults == []


def test_a_refused_sign_in_says_why_in_the_words_of_the_platform(window):
    page = window.page
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_label("Password").fill("not the right one")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("password")
    assert [fault for fault in window.faults if "401" not in fault] == []


def test_a_session_that_has_ended_leads_back_to_where_it_was(window, signed_in):
    page = window.page
    page.goto("/runs?status=failed")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.evaluate("sessionStorage.setItem('intellyhub.token', 'an old one')")
    page.reload()
    expect(page.get_by_text("Your session has ended.")).to_be_visible()
    sign_in(page)
    expect(page).to_have_url(re.compile(r"\d/runs\?status=failed$"))


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (820, "dark"), (1440, "light")])
def test_every_page_fits_its_screen_and_can_be_read_by_everybody(window, signed_in, waiting_run, width, scheme):
    page = window.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    axe = (ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js").read_text()
    faults: dict[tuple[str, str], list[str]] = {}
    for path, shown in PAGES.items():
        page.goto(path.format(run=waiting_run))
        expect(page.get_by_text(shown).filter(visible=True).first).to_be_visible()
        for drawing in page.locator(".drawing").filter(visible=True).all():
            expect(drawing.get_by_role("button", name="check if")).to_be_visible()
        page.evaluate(axe)
        found = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
        faults |= {(path, fault["id"]): [node["html"] for node in fault["nodes"]] for fault in found}
        if window.is_wider_than_the_screen():
            faults[path, "width"] = []
    assert faults == {}
    assert window.faults == []


@pytest.fixture(scope="module")
def waiting_run(platform):
    variables = {"customer": "Grace", "amount": 500}
    return platform.ask("POST", "/api/flows/refund/execute", {"variables": variables})["run_id"]


@pytest.fixture
def signed_in(window):
    window.page.goto("/sign-in")
    sign_in(window.page)
    expect(window.page.get_by_role("link", name="Refund")).to_be_visible()


def sign_in(page):
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
