"""Dictionaries whose keys are also attributes: what flows, blocks and plugins see every mapping as."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

__all__ = ["Record", "TextRecord", "ValueRecord"]


class Record(dict[Any, Any]):
    """A dict with attribute access. A missing attribute is an AttributeError, so that `hasattr` answers (section 3.2).
    Keys that are named like special methods are reached by index only: data never becomes behaviour."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self:
            return dict.__getitem__(self, name)
        return self._missing(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            self._missing(name)
        del self[name]

    def _missing(self, name: str) -> NoReturn:
        raise AttributeError(f"there is no {name!r}; there are {', '.join(map(str, list(self)[:20])) or 'no keys'}")


class ValueRecord(Record):
    """A record with methods of its own that outlives a restart. A function's package derives from it and names the
    class in its catalogue's `values`: the journal keeps `value_type` and the keys, `revive` makes the object again."""

    __slots__ = ("_type",)

    value_type: ClassVar[str] = "record"
    """Stable name; what is kept."""
    exposed: ClassVar[frozenset[str]] = frozenset()
    """Methods and properties that expressions may use. They must be quick, pure and bounded."""

    def kept_type(self) -> str:
        """The name it is kept under: its class's, or the one it was kept under when its class is not at hand."""
        try:
            return object.__getattribute__(self, "_type")  # type: ignore[no-any-return]
        except AttributeError:
            return self.value_type

    @classmethod
    def unloaded(cls, value_type: str, entries: dict[Any, Any]) -> ValueRecord:
        """A record whose class is not at hand; keeps its name until `revive` finds the class."""
        record = ValueRecord(entries)
        object.__setattr__(record, "_type", value_type)
        return record


class TextRecord(Record):
    """A record that is also a text (section 3.4): a language model's answer. `text_key` is the key that holds the text;
    what is neither key nor dict method is looked up on the text, which also answers `str`, `len`, slices, `+` and `in`.
    """

    __slots__ = ("_text_key",)

    def __init__(self, entries: Any = (), text_key: str = "response") -> None:
        super().__init__(entries)
        object.__setattr__(self, "_text_key", text_key)

    @property
    def text_key(self) -> str:
        """The key that holds the text."""
        return object.__getattribute__(self, "_text_key")  # type: ignore[no-any-return]

    def __str__(self) -> str:
        text = self.get(self.text_key)
        return text if isinstance(text, str) else "" if text is None else str(text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            self._missing(name)
        return dict.__getitem__(self, name) if dict.__contains__(self, name) else getattr(str(self), name)

    def __getitem__(self, key: Any) -> Any:
        if dict.__contains__(self, key) if not isinstance(key, slice) else False:
            return dict.__getitem__(self, key)
        if isinstance(key, (int, slice)):
            return str(self)[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or (isinstance(key, str) and key in str(self))

    def __eq__(self, other: object) -> bool:
        return str(self) == other if isinstance(other, str) else dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(str(self))

    def __bool__(self) -> bool:
        return bool(str(self))

    def __add__(self, other: str) -> str:
        return str(self) + other

    def __radd__(self, other: str) -> str:
        return other + str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __int__(self) -> int:
        return int(str(self))

    def __float__(self) -> float:
        return float(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return TextRecord, (dict(self.items()), self.text_key)
