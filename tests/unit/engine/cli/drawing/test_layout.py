"""Places of nodes and bends of edges."""

from hypothesis import given
from hypothesis import strategies as st

from intellyhub_engine.cli.drawing.layout import make_layout

NAMES = [f"n{number}" for number in range(9)]
LINKS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25)
SIZES = {name: (50.0 + 10 * number, 30.0) for number, name in enumerate(NAMES)}


@given(LINKS)
def test_no_two_boxes_overlap(links):
    places = list(make_layout(SIZES, links).places.values())
    for index, one in enumerate(places):
        for other in places[index + 1 :]:
            apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2 - 0.01
            apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2 - 0.01
            assert apart_x or apart_y


@given(LINKS)
def test_everything_is_inside_the_picture(links):
    layout = make_layout(SIZES, links)
    for place in layout.places.values():
        assert place.width / 2 - 0.01 <= place.x <= layout.width - place.width / 2 + 0.01
        assert place.height / 2 - 0.01 <= place.y <= layout.height - place.height / 2 + 0.01


@given(LINKS)
def test_every_link_has_its_bends_and_equal_input_gives_equal_output(links):
    layout = make_layout(SIZES, links)
    assert len(layout.bends) == len(links)
    assert layout == make_layout(SIZES, links)


def test_a_chain_goes_downwards():
    places = make_layout({"a": (10, 10), "b": (10, 10), "c": (10, 10)}, [("a", "b"), ("b", "c")]).places
    assert places["a"].y < places["b"].y < places["c"].y


def test_a_long_edge_bends_around_the_row_it_passes():
    layout = make_layout({"a": (10, 10), "b": (10, 10), "c": (10, 10)}, [("a", "b"), ("b", "c"), ("a", "c")])
    assert len(layout.bends[2]) == 1
    assert abs(layout.bends[2][0][0] - layout.places["b"].x) > 5


def test_an_edge_back_is_bent_in_the_direction_of_its_arrow():
    layout = make_layout(dict.fromkeys("abcd", (10, 10)), [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")])
    assert [y for _, y in layout.bends[3]] == sorted((y for _, y in layout.bends[3]), reverse=True)


def test_no_nodes_make_an_empty_picture():
    assert make_layout({}, []).places == {}
