"""One table of a TOML document, read key by key; every mistake is told with file, key and cure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from search_spaces.document import Scalar, Settings
from tass_core.config import DEFAULT_SYSTEM, known_fields
from tass_core.errors import ConfigError, nearest

Word = TypeVar("Word", bound=str)
_NAMES = {bool: "true or false", str: "a text", list: "a list", dict: "a table"}


class Section:
    """A table of a document. ``end`` refuses the keys that nobody asked for.

    Args:
        file: the document's name, for messages.
        data: the table's content.
        path: where it stands in the document, such as ``tables.mine``.
        system: whose fields are meant where nothing says another.
    """

    def __init__(
        self, file: str, data: object, path: str = "", system: str = DEFAULT_SYSTEM
    ) -> None:
        self.file, self.path, self.system = file, path, system
        if not isinstance(data, dict):
            raise self.error("", f"{show(data)} is not a table: write [{path}] and its keys below")
        self._left: dict[str, Any] = dict(data)
        self._asked: list[str] = []

    def error(self, key: str, words: str) -> ConfigError:
        """Return the error to raise for what stands under a key; ``""`` is the table itself."""
        place = ".".join(part for part in (self.path, quoted(key) if key else "") if part)
        return ConfigError(f"{self.file}: {place}{': ' if place else ''}{words}")

    def take(self, key: str) -> Any:
        """Return what stands under a key, or None; the key has then been read."""
        self._asked.append(key)
        return self._left.pop(key, None)

    def names(self) -> list[str]:
        """Return the keys that have not been read."""
        return list(self._left)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        value = self.take(key)
        if value is None:
            if default is None:
                raise self.error("", f"'{key}' is missing; write {key} = \"...\"")
            return default
        return str(self._typed(key, value, str))

    def flag(self, key: str) -> bool:
        """Return a switch that is off by default."""
        value = self.take(key)
        return False if value is None else bool(self._typed(key, value, bool))

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number; without a default it must be there."""
        value = self.take(key)
        if value is None:
            if default is None:
                raise self.error("", f"'{key}' is missing; write {key} = 0.5, for instance")
            return default
        return self.as_number(key, value)

    def whole(self, key: str, low: int) -> int | None:
        """Return a whole number of at least ``low``, or None where there is none."""
        value = self.take(key)
        return None if value is None else self._whole(key, value, low)

    def wholes(self, key: str, low: int) -> tuple[int, ...]:
        """Return a list of different whole numbers of at least ``low``, or ()."""
        found = tuple(self._whole(key, value, low) for value in self.items(key))
        return self.different(key, found)

    def texts(self, key: str, *, single: bool = False) -> tuple[str, ...]:
        """Return a list of different texts, or (); a ``single`` text stands for a list of one."""
        if single and isinstance(self._left.get(key), str):
            return (self.text(key),)
        return self.different(key, tuple(self._typed(key, v, str) for v in self.items(key)))

    def word(self, key: str, allowed: Iterable[Word]) -> Word | None:
        """Return one of a few texts, or None where there is none."""
        value = self.take(key)
        return None if value is None else self.one_of(key, value, allowed)

    def items(self, key: str) -> list[Any]:
        """Return a list, or [] where there is none."""
        value = self.take(key)
        return [] if value is None else self._typed(key, value, list)

    def section(self, key: str) -> Section:
        """Return a table inside this one; an empty one where there is none."""
        value = self.take(key)
        path = f"{self.path}.{quoted(key)}" if self.path else quoted(key)
        return Section(self.file, {} if value is None else value, path, self.system)

    def sections(self) -> Iterator[tuple[str, Section]]:
        """Yield every table inside this one that has not been read, with its name."""
        for name in self.names():
            yield name, self.section(name)

    def settings(self, key: str) -> Settings:
        """Return config fields and their values, each checked on its own, or {}."""
        value = self.take(key)
        return {} if value is None else self.as_settings(key, value)

    def as_settings(self, key: str, value: object) -> Settings:
        """Return a value as config fields and their values, each checked on its own."""
        given = dict(_flat(self._typed(key, value, dict)))
        system = self.as_value(key, "system", given.get("system", self.system))
        return {name: self.as_value(key, name, item, str(system)) for name, item in given.items()}

    def as_value(self, key: str, field: str, value: Any, system: str | None = None) -> Scalar:
        """Return a value of a system's config field, checked on its own."""
        known = known_fields(system or self.system)
        if field not in known:
            raise self.error(key, f"unknown field '{field}'{nearest(field, known)}")
        if isinstance(value, int) and math.isinf(_as_float(value)):
            raise self.error(key, f"{field} = {show(value)} is not finite")
        value = known[field].widen(value)
        try:
            known[field].check(field, value)
        except ConfigError as error:
            raise self.error(key, str(error)) from None
        checked: Scalar = value
        return checked

    def as_number(self, key: str, value: object) -> float:
        """Return a value as a finite number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"{show(value)} is not a number")
        number = _as_float(value)
        if not math.isfinite(number):
            raise self.error(key, f"{show(value)} is not finite")
        return number

    def one_of(self, key: str, value: object, allowed: Iterable[Word]) -> Word:
        """Return a value that must be one of a few texts."""
        words = list(allowed)
        for word in words:
            if word == value:
                return word
        near = nearest(value, words) if isinstance(value, str) else ""
        raise self.error(key, f"{show(value)} is not one of {', '.join(words)}{near}")

    def different(self, key: str, found: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return values, each of which must be there once."""
        twice = next((value for place, value in enumerate(found) if value in found[:place]), None)
        if twice is not None:
            raise self.error(key, f"{show(twice)} is there twice; name it once")
        return found

    def end(self) -> None:
        """Refuse the keys that have not been read."""
        for key in self._left:
            raise self.error(
                "",
                f"unknown key '{key}'; allowed: {', '.join(self._asked)}"
                f"{nearest(key, self._asked)}",
            )

    def _whole(self, key: str, value: object, low: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self.error(key, f"{show(value)} is not a whole number of at least {low}")
        return value

    def _typed(self, key: str, value: object, kind: type) -> Any:
        if not isinstance(value, kind):
            raise self.error(key, f"{show(value)} is not {_NAMES[kind]}")
        if value == "" and kind is str:
            raise self.error(key, "the text is empty")
        return value


def show(value: object) -> str:
    """Return a value as a message shows it: as TOML writes it, and short."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def quoted(key: str) -> str:
    """Return a key as TOML writes it: bare where it may be."""
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else f'"{key}"'


def _as_float(value: float) -> float:
    """Return a number as a float; TOML's whole numbers may be too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _flat(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield dotted names and values: ``model.tau = 1`` is a table within a table to TOML."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", item) for name, item in value.items())
        else:
            yield key, value
