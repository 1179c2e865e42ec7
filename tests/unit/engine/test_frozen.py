"""Frozen value classes whose methods are not compiled class by class."""

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, astuple, field, fields, is_dataclass, replace

import pytest

from intellyhub_engine.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A value by names."""

    name: str
    weight: float = 1.0
    notes: list[str] = field(default_factory=list)
    secret: str = field(default="", repr=False)
    seen: list[str] = field(default_factory=list, init=False, compare=False)

    @property
    def heavy(self) -> bool:
        return self.weight > 10


@dataclass(frozen=True)
class Place:
    """A value by place."""

    line: int
    column: int = 1


def test_values_are_those_given_and_the_defaults() -> None:
    parcel = Parcel(name="a", secret="s")
    assert (parcel.name, parcel.weight, parcel.notes, parcel.secret, parcel.heavy) == ("a", 1.0, [], "s", False)
    assert Place(3) == Place(3, 1) == Place(line=3, column=1)


def test_a_default_that_is_made_is_made_for_each() -> None:
    assert Parcel(name="a").notes is not Parcel(name="a").notes


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        ((), {}, "misses name"),
        ((), {"name": "a", "colour": 1}, "does not take colour"),
        ((), {"colour": 1}, "does not take colour and misses name"),
        (("a",), {}, "takes 0 values by place"),
    ],
)
def test_what_does_not_fit_is_refused(given: tuple[str, ...], named: dict[str, object], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Parcel(*given, **named)  # type: ignore[arg-type]


def test_a_value_by_place_is_given_once() -> None:
    with pytest.raises(TypeError, match="several values for line"):
        Place(1, line=2)  # type: ignore[misc]
    with pytest.raises(TypeError, match="takes 2 values by place, not 3"):
        Place(1, 2, 3)  # type: ignore[call-arg]


def test_a_value_cannot_be_changed() -> None:
    place = Place(1)
    with pytest.raises(FrozenInstanceError):
        place.line = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del place.line
    with pytest.raises(FrozenInstanceError):
        place.row = 2  # type: ignore[attr-defined]
    assert place == Place(1)


def test_equality_and_hash_are_those_of_the_compared_values() -> None:
    one, two = Parcel(name="a"), Parcel(name="a")
    one.seen.append("x")
    assert one == two
    assert one != Parcel(name="b")
    assert len({Place(1), Place(1, 1), Place(2)}) == 2


def test_what_is_not_to_be_shown_is_not_shown() -> None:
    assert repr(Parcel(name="a", secret="s")) == "Parcel(name='a', weight=1.0, notes=[], seen=[])"


def test_the_standard_librarys_functions_know_the_class() -> None:
    assert is_dataclass(Parcel)
    assert [part.name for part in fields(Place)] == ["line", "column"]
    assert (astuple(Place(1, 2)), asdict(Place(1, 2))) == ((1, 2), {"line": 1, "column": 2})
    assert replace(Parcel(name="a", weight=20.0), name="b") == Parcel(name="b", weight=20.0)


def test_a_copy_is_equal() -> None:
    place = Place(1, 2)
    assert copy.copy(place) == copy.deepcopy(place) == pickle.loads(pickle.dumps(place)) == place
