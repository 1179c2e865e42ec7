"""Hostile names in Mermaid and SVG."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.cli.drawing.mermaid import make_mermaid
from intellyhub_engine.cli.drawing.svg import make_svg
from intellyhub_engine.language.diagram import make_diagram
from intellyhub_engine.language.model import Flow, State

HOSTILE = [
    '<script>alert(1)</script>"];click s0 "javascript:alert(1)"',
    '"><image href=x onerror=alert(1)>',
    "]]>\x00\x1b&#60;script&#62;",
    "%%{init: {'securityLevel': 'loose'}}%%",
    "a\n    b --> c\n",
    "\ud800",
]
MERMAID_LINE = re.compile(
    r'flowchart TD|    (start|[st]\d+)(\(\(|\{|\[/|\[\[|\[|\(\[)"[^"<>\n]*(<br/>[^"<>\n]*)?"(\)\)|\}|/\]|\]\]|\]|\]\))'
    r'|    (start|[st]\d+) (-->|-\.->)(\|"[^"<>\n|]*"\|)? (start|[st]\d+)'
    r"|    classDef unknown stroke:#c00,stroke-dasharray:4|    class [st\d,]+ unknown"
)


def draw(name, label="x"):
    states = {name: State(name=name, type=name, targets={f"case:{label}": "b"}), "b": State(name="b", type="end")}
    return make_diagram(Flow(name=name, start=name, states=states))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_in_svg(name):
    root = ElementTree.fromstring(make_svg(draw(name, name)).encode("utf-8", "strict"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "defs", "marker", "path", "g", "circle", "rect", "text"}
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not {key for key in attributes if key.startswith("on") or "href" in key}


@given(st.text(min_size=1), st.text())
def test_any_name_gives_well_formed_svg(name, label):
    ElementTree.fromstring(make_svg(draw(name, label)))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_in_mermaid(name):
    for line in make_mermaid(draw(name, name)).splitlines():
        assert MERMAID_LINE.fullmatch(line), line


@given(st.text(min_size=1), st.text())
def test_any_name_gives_only_lines_of_our_own_grammar(name, label):
    for line in make_mermaid(draw(name, label)).split("\n")[:-1]:
        assert MERMAID_LINE.fullmatch(line), line


def test_a_long_name_is_cut_in_its_box_and_whole_in_its_title():
    text = make_svg(draw("n" * 80))
    assert f"<title>{'n' * 80}</title>" in text
    assert "n" * 35 + "…" in text


def test_a_picture_needs_no_browser_to_have_its_colours():
    assert "var(" not in make_svg(draw("a", "b"))


def test_edges_there_and_back_are_two_lines():
    loop = State(name="each", type="loop", targets={"body": "work", "done": "end"})
    work = State(name="work", type="set", targets={"next": "each"})
    svg = make_svg(make_diagram(Flow(name="f", start="each", states={"each": loop, "work": work})))
    paths = re.findall(r'class="edge" d="M([^C"]+)C[^"]* ([^ "]+ [^ "]+)"', svg)
    assert len({frozenset(ends) for ends in paths}) == len(paths) == 4
