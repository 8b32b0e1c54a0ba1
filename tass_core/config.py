"""A trial's configuration: a system with its fields, its data and its optimiser, as frozen data.

``TrialConfig()`` is the paper's full model on CLIP features. A variant is made by replacing
fields by their dotted names::

    without_target = TrialConfig().replace("model.target_aware", False)
    faster = TrialConfig().with_overrides(["optimiser.epochs=10", "model.width=128"])
    other = TrialConfig().replace("system", "avst")

``model`` and ``loss`` are the system's own dataclasses; nothing here knows their fields. Two
configs that describe the same function have the same ``hash``: fields without effect in a
variant are put back to their defaults by ``canonical`` before hashing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tass_core.errors import ConfigError, nearest
from tass_core.fields import FREE, Field, above, at_least, fields_of, with_defaults
from tass_core.systems import system_named, system_places
from tass_core.systems.debiasing import check_debiasing
from tass_core.systems.protocol import ModelFields, Needs

Pooling = Literal["mean", "stride"]
Batching = Literal["question", "video"]
Precision = Literal["float32", "bf16"]

DEFAULT_SYSTEM = "tass"


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Pre-processing and batches (sections 3.2 and 4.1)."""

    t2: Annotated[int, at_least(1)] = 6
    """T2, segments pooled into one (section 3.2); T = T1 / T2."""
    pooling: Pooling = "mean"
    """``mean`` is the paper's pre-processing, ``stride`` (every T2-th segment) is Table 3's
    "w/o prep."."""
    batching: Batching = "question"
    """Batches of shuffled questions, or of whole videos with all their questions."""


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """Adam with a step schedule (section 4.1) and how a step is computed."""

    epochs: Annotated[int, at_least(1)] = 30
    """Training epochs."""
    batch_size: Annotated[int, at_least(1)] = 64
    """Questions in a batch."""
    learning_rate: Annotated[float, above(0.0), FREE] = 2e-4
    """Initial learning rate."""
    step_size: Annotated[int, at_least(1), FREE] = 12
    """Epochs between two drops of the learning rate."""
    gamma: Annotated[float, above(0.0, at_most=1.0), FREE] = 0.1
    """Factor of each drop."""
    beta1: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.9
    """Adam's first-moment decay (torch's default; the paper is silent)."""
    beta2: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.999
    """Adam's second-moment decay (torch's default; the paper is silent)."""
    eps: Annotated[float, above(0.0), FREE] = 1e-8
    """Adam's ε (torch's default; the paper is silent)."""
    weight_decay: Annotated[float, at_least(0.0), FREE] = 0.0
    """L2 penalty (the paper has none)."""
    precision: Precision = "float32"
    """``bf16`` runs a step's products under autocast, on CPUs too; weights stay float32."""
    compile: Annotated[bool, FREE] = False
    """Run the model through ``torch.compile`` on CUDA; on a CPU it is not earned back."""


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """One variant: a system, and a complete model, loss, data and optimiser setting.

    Raises:
        ConfigError: a value has the wrong type, is out of range or contradicts another.
    """

    system: str = DEFAULT_SYSTEM
    """The network, see ``tass_core.systems``."""
    model: ModelFields = field(default_factory=lambda: system_named(DEFAULT_SYSTEM).model())
    loss: Any = field(default_factory=lambda: system_named(DEFAULT_SYSTEM).loss())
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def __post_init__(self) -> None:
        known = known_fields(self.system)
        for group, kind in _groups(self.system).items():
            if type(getattr(self, group)) is not kind:
                raise ConfigError(f"{group}: system '{self.system}' takes a {kind.__name__}")
        for name, value in self.flat().items():
            known[name].check(name, value)
        system = system_named(self.system)
        system.check(self.model, self.loss)
        check_debiasing(system, self.loss)

    def flat(self) -> dict[str, Any]:
        """Return every field by its dotted name, in declaration order; no ``system`` for TASS."""
        named = {} if self.system == DEFAULT_SYSTEM else {"system": self.system}
        return named | {
            f"{group}.{name}": getattr(getattr(self, group), name)
            for group, kind in _groups(self.system).items()
            for name in fields_of(kind)
        }

    def replace(self, name: str, value: Any) -> TrialConfig:
        """Return a copy with one dotted field changed: ``config.replace("model.tau", 0.02)``."""
        return self.with_values({name: value})

    def with_values(self, values: Mapping[str, Any]) -> TrialConfig:
        """Return a copy with several dotted fields changed together, validated once.

        Another ``system`` keeps what this config had changed, where it has the field.
        """
        return _built(**self._changed(values))

    def vary(self, values: Mapping[str, Any]) -> TrialConfig:
        """``with_values`` for the rows of a table, on a base that its user chose.

        Settings of the base that the change leaves without effect give way to their defaults,
        instead of contradicting it: a base with two streams has a variant without any.
        """
        groups = self._changed(values)
        system = system_named(groups["system"])
        canonical = system.canonical(system.model(**groups["model"]), system.loss(**groups["loss"]))
        for group, found in zip(("model", "loss"), canonical, strict=True):
            for name, item in fields_of(found.__class__).items():
                if f"{group}.{name}" not in values and getattr(found, name) == item.default:
                    groups[group][name] = item.default
        return _built(**groups)

    def _changed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the system, and the fields of every group, with values changed."""
        system, before = values.get("system", self.system), known_fields(self.system)
        known = known_fields(system)
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown field '{name}'{nearest(name, known)}")
        kept = {n: v for n, v in self.flat().items() if n in known and v != before[n].default}
        groups: dict[str, Any] = {"system": system} | {group: {} for group in _groups(system)}
        for name, value in {**kept, **values}.items():
            group, _, item = name.partition(".")
            if item:
                groups[group][item] = known[name].widen(value)
        return groups

    def with_overrides(self, overrides: Iterable[str]) -> TrialConfig:
        """Return a copy changed by ``key=value`` strings, as a command line gives them."""
        return self.with_values(parse_overrides(overrides, self.system))

    def canonical(self) -> TrialConfig:
        """Return the config with every field that has no effect put back to its default."""
        model, loss = system_named(self.system).canonical(self.model, self.loss)
        data, optimiser = self.data, self.optimiser
        if data.t2 == 1:
            data = with_defaults(data, {"pooling"})
        if optimiser.gamma == 1.0 or optimiser.step_size >= optimiser.epochs:
            optimiser = with_defaults(optimiser, {"step_size", "gamma"})
        return TrialConfig(self.system, model, loss, data, optimiser)

    def needs(self) -> Needs:
        """Return what the variant reads of a dataset."""
        system = system_named(self.system)
        return system.needs(*system.canonical(self.model, self.loss))

    def pretraining(self) -> int:
        """Return the epochs of pretraining before the first."""
        return system_named(self.system).pretraining(self.model, self.loss)

    def hash(self) -> str:
        """Return 16 hex digits that are equal exactly when two canonical configs are."""
        return digest(self.canonical().to_dict())[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the nested plain-data form, as written to JSON and made into keys.

        There is no ``system`` for TASS, and no field that is marked ``LATER`` at its default.
        """
        described = dataclasses.asdict(self)
        if self.system == DEFAULT_SYSTEM:
            del described["system"]
        for group, kind in _groups(self.system).items():
            for name, item in fields_of(kind).items():
                if item.later and described[group][name] == item.default:
                    del described[group][name]
        return described

    def to_json(self) -> str:
        """Return the canonical JSON text: sorted keys, one indentation, a final newline."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialConfig:
        """Build from nested plain data; groups and fields left out keep their defaults."""
        flat: dict[str, Any] = {}
        groups = [item.name for item in dataclasses.fields(cls)]
        for group, items in values.items():
            if group not in groups:
                raise ConfigError(f"unknown group '{group}'{nearest(group, groups)}")
            if group == "system":
                flat["system"] = items
            elif not isinstance(items, Mapping):
                raise ConfigError(f"group '{group}' must be an object, not {items!r}")
            else:
                flat.update({f"{group}.{name}": value for name, value in items.items()})
        return cls().with_values(flat)

    @classmethod
    def from_json(cls, text: str) -> TrialConfig:
        """Build from JSON text.

        Raises:
            ConfigError: the text is not JSON or describes no valid config.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
            ) from None
        if not isinstance(values, dict):
            raise ConfigError("a config is a JSON object with the groups of TrialConfig")
        return cls.from_dict(values)


def known_fields(system: str = DEFAULT_SYSTEM) -> Mapping[str, Field]:
    """Return every field of a system's configs by its dotted name, ``system`` included.

    Raises:
        ConfigError: there is no such system.
    """
    own = {
        f"{group}.{name}": item
        for group, kind in _groups(system).items()
        for name, item in fields_of(kind).items()
    }
    return {"system": Field(str, DEFAULT_SYSTEM, tuple(system_places()))} | own


def _groups(system: str) -> dict[str, type]:
    found = system_named(system)
    return {
        "model": found.model,
        "loss": found.loss,
        "data": DataConfig,
        "optimiser": OptimiserConfig,
    }


def _built(system: str, **groups: Mapping[str, Any]) -> TrialConfig:
    return TrialConfig(
        system, **{group: kind(**groups[group]) for group, kind in _groups(system).items()}
    )


def parse_overrides(overrides: Iterable[str], system: str = DEFAULT_SYSTEM) -> dict[str, Any]:
    """Turn ``key=value`` strings into typed values by dotted name.

    Args:
        overrides: one of them may name another ``system``.
        system: whose fields they are otherwise.

    Raises:
        ConfigError: a string has no ``=``, names no field, or its value has the wrong type.
    """
    texts: dict[str, str] = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"'{text}' is not of the form key=value, as in model.tau=0.02")
        texts[name.strip()] = value.strip()
    known = known_fields(texts.get("system", system))
    for name in texts:
        if name not in known:
            raise ConfigError(f"unknown field '{name}'{nearest(name, known)}")
    return {name: known[name].parse(name, text) for name, text in texts.items()}


def digest(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of plain data in compact, key-sorted JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_config(path: Path) -> TrialConfig:
    """Read a config from a JSON file.

    Raises:
        ConfigError: the file is missing, is not JSON or describes no valid config.
    """
    try:
        return TrialConfig.from_json(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
