"""Fields of frozen dataclasses, with their limits and their meaning written beside them.

::

    tau: Annotated[float, at_least(0.0), FREE] = 0.025

Types, choices (of a ``Literal``), limits and marks are read from the annotation. There is no
second list of them.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, cast

from tass_core.errors import ConfigError, nearest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers that a field may have; all of them are finite."""

    low: float
    low_included: bool
    high: float
    high_included: bool

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.low_included else value > self.low
        below = value <= self.high if self.high_included else value < self.high
        return above and below and math.isfinite(value)

    def __str__(self) -> str:
        left = f"{'at least' if self.low_included else 'above'} {self.low:g}"
        right = f" and {'at most' if self.high_included else 'below'} {self.high:g}"
        return f"{left}{'' if self.high == math.inf else right}, finite"


def at_least(low: float, *, below: float = math.inf) -> Limits:
    """Allow numbers from ``low`` to under ``below``."""
    return Limits(low, True, below, False)


def above(low: float, *, at_most: float = math.inf) -> Limits:
    """Allow numbers over ``low`` up to ``at_most``."""
    return Limits(low, False, at_most, True)


class Free:
    """The type of ``FREE``."""


FREE = Free()
"""Trials of one pack may differ in the field: it changes neither the batches nor their order,
nor anything that the pack decides for all of them. A field without the mark splits packs, so
that forgetting it costs a process and never a result."""


class Later:
    """The type of ``LATER``."""


LATER = Later()
"""The field came after the first trials had their keys: at its default it is left out of what a
key is made of, so that those trials are still found."""


@dataclass(frozen=True, slots=True)
class Field:
    """What an annotation says of one field."""

    kind: type
    """``bool``, ``int``, ``float`` or ``str``."""
    default: Any
    choices: tuple[str, ...] = ()
    """Of a ``Literal``; empty where every text is allowed."""
    limits: Limits | None = None
    free: bool = False
    later: bool = False

    def parse(self, name: str, text: str) -> Any:
        """Turn text, as a command line gives it, into a value of the field's type.

        Raises:
            ConfigError: the text is none.
        """
        if self.kind is str:
            return text
        if self.kind is bool:
            if text.lower() not in _SWITCHES:
                raise ConfigError(f"{name} = '{text}' is not a switch; allowed: true, false")
            return _SWITCHES[text.lower()]
        try:
            return self.kind(text)
        except ValueError:
            raise ConfigError(f"{name} = '{text}' is not {_KINDS[self.kind]}") from None

    def widen(self, value: Any) -> Any:
        """Return whole numbers as floats where the field holds floats."""
        return float(value) if self.kind is float and type(value) is int else value

    def check(self, name: str, value: Any) -> None:
        """Make sure that the field may have a value.

        Raises:
            ConfigError: it has another type, is none of the choices or beyond the limits.
        """
        found = type(value)
        if found is not self.kind:
            raise ConfigError(f"{name} = {value!r} is not {_KINDS[self.kind]}")
        if self.choices and value not in self.choices:
            raise ConfigError(
                f"{name} = '{value}' is not one of {', '.join(self.choices)}"
                f"{nearest(value, self.choices)}"
            )
        if self.limits is not None and value not in self.limits:
            raise ConfigError(f"{name} = {value!r} is out of range; allowed: {self.limits}")


_SWITCHES = {"true": True, "on": True, "yes": True, "1": True}
_SWITCHES |= {"false": False, "off": False, "no": False, "0": False}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@cache
def fields_of(group: type) -> Mapping[str, Field]:
    """Return the fields of a dataclass by name, in declaration order."""
    hints = typing.get_type_hints(group, include_extras=True)
    return {item.name: _field(hints[item.name], item.default) for item in dataclasses.fields(group)}


def with_defaults(group: T, names: Collection[str]) -> T:
    """Return a frozen dataclass with some fields put back; it may lack some of them."""
    fields = fields_of(cast(type, group.__class__))
    values: dict[str, Any] = {n: item.default for n, item in fields.items() if n in names}
    return dataclasses.replace(group, **values)  # type: ignore[type-var]


def _field(annotation: Any, default: Any) -> Field:
    marks = getattr(annotation, "__metadata__", ())
    kind = typing.get_args(annotation)[0] if marks else annotation
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    return Field(
        kind=str if choices else kind,
        default=default,
        choices=choices,
        limits=next((mark for mark in marks if isinstance(mark, Limits)), None),
        free=FREE in marks,
        later=LATER in marks,
    )
