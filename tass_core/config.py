"""A trial's configuration: every variant of the paper's Tables 2 to 7 as frozen data.

``TrialConfig()`` is the paper's full model on CLIP features. A variant is made by
replacing fields by their dotted names::

    without_target = TrialConfig().replace("model.target_aware", False)
    faster = TrialConfig().with_overrides(["optimiser.epochs=10", "model.width=128"])

Two configs that describe the same function have the same ``hash``: fields without effect
in a variant (τ without target-awareness, λ without L_s) are put back to their defaults by
``canonical`` before hashing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from tass_core.errors import ConfigError, nearest
from tass_core.fields import FREE, Field, above, at_least, fields_of

Encoder = Literal["clip", "resnet18-glove"]
Merge = Literal["auto", "add", "mul", "max"]
Target = Literal["sentence", "word_soft", "word_argmax"]
Structure = Literal["single", "dual"]
Ordering = Literal["il-va", "il-av", "cat-va", "cat-av"]
Position = Literal["none", "sinusoidal", "learned"]
Synchrony = Literal["js", "legacy", "none"]
Negatives = Literal["batch", "dataset"]
Pooling = Literal["mean", "stride"]
Batching = Literal["question", "video"]
Precision = Literal["float32", "bf16"]

ORDERINGS: tuple[Ordering, ...] = get_args(Ordering)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network (paper, section 3)."""

    encoder: Encoder = "clip"
    """Frozen features and question encoder (section 4.1; Tables 1 and 3)."""
    spatial_grounding: bool = True
    """TSG+ (section 3.3); off is "w/o TSG+" of Table 2."""
    target_aware: Annotated[bool, FREE] = True
    """The target's attention in TSG+ (Eq. 4-5); off is "w/o T-A" of Table 2."""
    merge: Annotated[Merge, FREE] = "auto"
    """How s_a and s_q meet (Eq. 2, Table 4); ``auto`` is the paper's ``add``, or audio alone
    when target_aware is off."""
    tau: Annotated[float, at_least(0.0), FREE] = 0.025
    """Threshold τ on s_q (Eq. 5, Table 5)."""
    target: Target = "sentence"
    """Where f_tgt comes from: the sentence feature or attention over its words."""
    temporal_grounding: bool = True
    """JTG (section 3.4); off is "w/o JTG" of Table 2."""
    structure: Structure = "single"
    """One stream for both modalities, or one attention for each (Table 7)."""
    ordering: Annotated[Ordering, FREE] = "il-va"
    """Interleaved or concatenated, visual or audio first (Eq. 13, Table 6)."""
    position: Position = "none"
    """Positional encoding of the stream; the paper has none, which makes order immaterial."""
    width: Annotated[int, at_least(2)] = 512
    """d, the feature width (section 4.1)."""
    heads: Annotated[int, at_least(1)] = 4
    """Attention heads of the MHA (Eq. 14)."""
    attention_dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.1
    """Dropout of the attention weights (public code; the paper is silent)."""
    dropout: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.2
    """Dropout of the feed-forward layers (public code; the paper is silent)."""
    init_from: str = "none"
    """Initial weights: ``none``, ``match`` (a stage-1 pre-training on Eq. 6 alone) or the path
    of a checkpoint folder (section 4.1, training strategy)."""
    pretrain_epochs: Annotated[int, at_least(1)] = 2
    """Epochs of stage 1 when init_from is ``match``."""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """L = L_qa + L_cms + λ L_s (section 4.1)."""

    match: Annotated[bool, FREE] = True
    """L_s (Eq. 6-7); off is "w/o L_s" of Table 2."""
    lambda_s: Annotated[float, at_least(0.0), FREE] = 0.5
    """λ, the weight of L_s."""
    cms: Annotated[Synchrony, FREE] = "js"
    """L_cms (Eq. 10-12, 17): ``js``, the public code's ``legacy`` form, or ``none``."""
    renormalise: Annotated[bool, FREE] = True
    """Whether each half of the stream's weights is scaled to sum to 1 before Eq. 17. On by
    default: Eq. 10-12 compare distributions, and section 4.4 reports unequal mass on the two
    modalities, which the bare halves would penalise."""
    negatives: Negatives = "batch"
    """Where L_s takes mismatched frames: other videos of the batch or of the whole split."""


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
    """Adam's first-moment decay (the library's default; the paper is silent)."""
    beta2: Annotated[float, at_least(0.0, below=1.0), FREE] = 0.999
    """Adam's second-moment decay (the library's default; the paper is silent)."""
    eps: Annotated[float, above(0.0), FREE] = 1e-8
    """Adam's ε (the library's default; the paper is silent)."""
    weight_decay: Annotated[float, at_least(0.0), FREE] = 0.0
    """L2 penalty (the paper has none)."""
    precision: Precision = "float32"
    """``bf16`` runs the products under autocast on CUDA; weights stay float32."""
    compile: Annotated[bool, FREE] = False
    """Run the model through ``torch.compile`` on CUDA; on a CPU it is not earned back."""


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """One variant: a complete model, loss, data and optimiser setting.

    Raises:
        ConfigError: a value has the wrong type, is out of range or contradicts another.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def __post_init__(self) -> None:
        for name, value in self.flat().items():
            FIELDS[name].check(name, value)
        _check_combinations(self)

    def flat(self) -> dict[str, Any]:
        """Return every field by its dotted name, in declaration order."""
        return {
            f"{group.name}.{item.name}": getattr(getattr(self, group.name), item.name)
            for group in dataclasses.fields(self)
            for item in dataclasses.fields(getattr(self, group.name))
        }

    def replace(self, name: str, value: Any) -> TrialConfig:
        """Return a copy with one dotted field changed: ``config.replace("model.tau", 0.02)``."""
        return self.with_values({name: value})

    def with_values(self, values: Mapping[str, Any]) -> TrialConfig:
        """Return a copy with several dotted fields changed together, validated once."""
        flat = self.flat()
        for name in values:
            if name not in flat:
                raise ConfigError(f"unknown field '{name}'{nearest(name, flat)}")
        return _from_flat({**flat, **values})

    def with_overrides(self, overrides: Iterable[str]) -> TrialConfig:
        """Return a copy changed by ``key=value`` strings, as a command line gives them."""
        return self.with_values(parse_overrides(overrides))

    def canonical(self) -> TrialConfig:
        """Return the config with every field that has no effect put back to its default."""
        return _canonical(self)

    def hash(self) -> str:
        """Return 16 hex digits that are equal exactly when two canonical configs are."""
        return digest(self.canonical().to_dict())[:16]

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the nested plain-data form, as written to JSON."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return the canonical JSON text: sorted keys, one indentation, a final newline."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrialConfig:
        """Build from nested plain data; groups and fields left out keep their defaults."""
        flat: dict[str, Any] = {}
        groups = {group.name for group in dataclasses.fields(cls)}
        for group, items in values.items():
            if group not in groups:
                raise ConfigError(f"unknown group '{group}'{nearest(group, groups)}")
            if not isinstance(items, Mapping):
                raise ConfigError(f"group '{group}' must be an object, not {items!r}")
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


_GROUPS = {"model": ModelConfig, "loss": LossConfig, "data": DataConfig}
_GROUPS |= {"optimiser": OptimiserConfig}

FIELDS: Mapping[str, Field] = {
    f"{group}.{name}": item
    for group, cls in _GROUPS.items()
    for name, item in fields_of(cls).items()
}
"""Every field by its dotted name."""


def parse_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """Turn ``key=value`` strings into typed values by dotted name.

    Raises:
        ConfigError: a string has no ``=``, names no field, or its value has the wrong type.
    """
    values: dict[str, Any] = {}
    for text in overrides:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise ConfigError(f"'{text}' is not of the form key=value, as in model.tau=0.02")
        if name not in FIELDS:
            raise ConfigError(f"unknown field '{name}'{nearest(name, FIELDS)}")
        values[name] = FIELDS[name].parse(name, value.strip())
    return values


def digest(value: Any) -> str:
    """Return the SHA-256 (64 hex digits) of plain data in compact, key-sorted JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _from_flat(flat: Mapping[str, Any]) -> TrialConfig:
    groups: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, item = name.split(".", 1)
        groups.setdefault(group, {})[item] = FIELDS[name].widen(value)
    return TrialConfig(**{group: _GROUPS[group](**items) for group, items in groups.items()})


def _check_combinations(config: TrialConfig) -> None:
    model, loss = config.model, config.loss
    if model.merge != "auto" and not model.target_aware:
        raise ConfigError(
            f"model.merge = '{model.merge}' needs model.target_aware = true; "
            "without target-awareness there is nothing to merge: leave model.merge = 'auto'"
        )
    if not model.spatial_grounding and model.merge != "auto":
        raise ConfigError(
            f"model.merge = '{model.merge}' needs model.spatial_grounding = true: "
            "without TSG+ no attention map is merged; leave model.merge = 'auto'"
        )
    if model.temporal_grounding and model.width % (2 * model.heads):
        raise ConfigError(
            f"model.width = {model.width} does not fit model.heads = {model.heads}: the width "
            f"must be a multiple of twice the heads, for instance "
            f"{max(1, round(model.width / (2 * model.heads))) * 2 * model.heads}"
        )
    if model.structure == "dual" and not model.temporal_grounding:
        raise ConfigError(
            "model.structure = 'dual' needs model.temporal_grounding = true: "
            "without JTG there are no streams; leave model.structure = 'single'"
        )
    if model.init_from == "match" and not _uses_match(config):
        raise ConfigError(
            "model.init_from = 'match' needs the match task: model.spatial_grounding = true, "
            f"loss.match = true and loss.lambda_s above 0 (now {loss.lambda_s:g})"
        )


def _uses_match(config: TrialConfig) -> bool:
    loss = config.loss
    return config.model.spatial_grounding and loss.match and loss.lambda_s > 0


def _canonical(config: TrialConfig) -> TrialConfig:
    """Reset what has no effect, so that one function has one trial key."""
    model = config.model
    values = config.flat() | {name: FIELDS[name].default for name in _idle_fields(config)}
    if model.spatial_grounding and model.target_aware and model.merge == "auto":
        values["model.merge"] = "add"
    if not model.temporal_grounding:
        values["loss.cms"] = "none"
    if not _uses_match(config):
        values["loss.match"] = False
    return _from_flat(values)


def _idle_fields(config: TrialConfig) -> list[str]:
    model, data, optimiser = config.model, config.data, config.optimiser
    aware = model.spatial_grounding and model.target_aware
    grounded, dual = model.temporal_grounding, model.structure == "dual"
    attention = ["model.heads", "model.attention_dropout", "model.dropout"]
    idle = {
        ("model.target_aware",): not model.spatial_grounding,
        ("model.merge", "model.tau", "model.target"): not aware,
        tuple(attention): not grounded,
        ("model.ordering", "model.position"): not grounded or dual,
        ("loss.renormalise",): not grounded or dual or config.loss.cms != "js",
        ("loss.lambda_s", "loss.negatives"): not _uses_match(config),
        ("model.pretrain_epochs",): model.init_from != "match",
        ("data.pooling",): data.t2 == 1,
        ("optimiser.step_size", "optimiser.gamma"): (
            optimiser.gamma == 1.0 or optimiser.step_size >= optimiser.epochs
        ),
    }
    return [name for names, is_idle in idle.items() if is_idle for name in names]


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
