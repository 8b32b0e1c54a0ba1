"""What a network and the platform say to each other.

A system is one network of the comparison with its losses: a ``System`` value at the end of its
file, found by its name (see ``tass_core.systems``). Everything else that it needs is here: what
it reads (``Needs``, ``Shapes``, ``Batch``, ``Noise``) and what it returns (``Output``, ``Term``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from tass_core.errors import ConfigError
from tass_core.fields import with_defaults

if TYPE_CHECKING:
    from torch import Tensor, nn

ArrayName = Literal["visual", "sentence", "words", "tokens"]
Encoder = Literal["clip", "resnet18-glove", "lite"]
"""The frozen encoders whose features the datasets here hold."""
TOKENS: frozenset[str] = frozenset({"resnet18-glove"})
"""Encoders whose questions are tokens; the others' are features of sentences and words."""
Mismatched = Literal["batch", "dataset"]
"""Where a match loss takes frames of other videos: from the batch or from the whole split."""
Selection = Literal["hard", "ste", "soft"]
"""How a few of many items are taken by weights: ``hard`` keeps them as they are, which gives the
weights no gradient; ``soft`` multiplies by the weights; ``ste`` does so in the backward pass."""
Stage = Literal["pretrain", "train"]
Fidelity = Literal["exact", "adapted", "reconstructed"]
"""A published network as it is; with other inputs; or its idea in equations of ours."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The sizes that a network is built from."""

    segments: int
    """T, segments after pooling."""
    regions: int
    """P, regions of a frame."""
    visual: int
    """C, channels of a region."""
    audio: int
    """Channels of a segment's sound."""
    text: int
    """D_t, width of the sentence feature; 0 when questions are tokens."""
    words: int
    """N, the longest question in words; 0 when there are neither words nor tokens."""
    vocabulary: int
    """Words in the vocabulary, padding included; 0 when there are no tokens."""
    answers: int
    """Classes."""
    vectors: int = 0
    """Width of the dataset's pretrained word vectors; 0 when there are none."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a system reads. Datasets are checked and batches filled by it."""

    encoder: str
    """Whose frozen features, such as ``clip``."""
    arrays: frozenset[ArrayName]
    """What a batch must hold beside the sound."""
    negatives: Mismatched | Literal["none"] = "none"
    """Where mismatched frames come from in training."""


@dataclass(frozen=True, slots=True)
class Negatives:
    """Mismatched frames for a match loss: in every frame, whose audio and question look at it.

    With ``visual`` None the frames are the batch's own: the questions of video
    ``source_video`` look, at their segment ``source_time``, into a frame of another video.
    """

    source_video: Tensor
    """[U', T] int64: the video (row of ``Batch.audio``) whose questions look at the frame."""
    source_time: Tensor
    """[U', T] int64: the segment of that video whose audio looks at the frame."""
    pairs: Tensor
    """[M] int64: which of the U' * T * K slots hold a question; the others are padding."""
    visual: Tensor | None = None
    """[U', T, P, C] frames drawn from the whole split, or None."""

    def source_places(self, segments: int) -> Tensor:
        """Return [U', T] int64: the rows of all videos' ``segments``, one after another."""
        return self.source_video * segments + self.source_time


@dataclass(frozen=True, slots=True)
class Batch:
    """B questions on U videos; every frame is held once, however many questions share it.

    One worker of several owns U' of the videos with their frames, and the B' questions on
    them; everything small is there for the whole batch. Alone, it owns all: U' = U, B' = B.
    Arrays that the system does not need are None.
    """

    visual: Tensor | None
    """[U', T, P, C] region features of the owned videos."""
    audio: Tensor
    """[U, T, C_a] audio features of all videos."""
    video: Tensor
    """[B] int64: each question's video, a row of ``audio``."""
    slot: Tensor
    """[B] int64: the question's place among those of its video, below K."""
    slots: int
    """K, the largest number of questions on one video of the batch."""
    first_video: int
    """The first owned video's row in ``audio``; the others follow it."""
    rows: Tensor
    """[B'] int64: the owned questions' places in the batch."""
    answer: Tensor
    """[B] int64."""
    sentence: Tensor | None = None
    """[B, C_t] sentence features (CLIP)."""
    words: Tensor | None = None
    """[B, N, C_t] word features (CLIP)."""
    tokens: Tensor | None = None
    """[B, N] int64 word indices, 0 is padding (GloVe)."""
    word_count: Tensor | None = None
    """[B] int64 words in each question."""
    negatives: Negatives | None = None
    """Mismatched frames, in training with a match loss."""

    def to(self, device: str) -> Batch:
        """Return the batch with its tensors on ``device``."""
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with every tensor changed."""
        found = replace(self, **_changed(self, change))
        if self.negatives is None:
            return found
        return replace(found, negatives=replace(self.negatives, **_changed(self.negatives, change)))

    def per_question(self) -> Batch:
        """Return the owned questions with a video each: visual [B', T, P, C], audio [B', T, C_a].

        For systems that forgo shared frames. It takes up to K times the memory, and leaves the
        negatives out, which belong to shared frames.
        """
        video = self.video[self.rows]
        each = video.new_ones(len(video)).cumsum(0) - 1
        visual = None if self.visual is None else self.visual[video - self.first_video]
        asked = {
            name: value[self.rows]
            for name in ("answer", "sentence", "words", "tokens", "word_count")
            if (value := getattr(self, name)) is not None
        }
        return Batch(
            visual=visual,
            audio=self.audio[video],
            video=each,
            slot=each * 0,
            slots=1,
            first_video=0,
            rows=each,
            **asked,
        )


class Noise(NamedTuple):
    """A training step's randomness. In evaluation there is none: no dropout, no extra outputs."""

    key: Tensor
    """[] int64, of (seed, epoch, step)."""
    rows: Tensor
    """[B'] int64: the questions' places in the whole batch."""


@dataclass(frozen=True, slots=True)
class Output:
    """A network's answer to the B' owned questions, and what it looked at."""

    logits: Tensor
    """[B', answers] before the softmax."""
    spatial: Tensor | None = None
    """[B', T, P] attention over regions, rows summing to 1: scored by ``ground/spatial``."""
    temporal: Mapping[str, Tensor] = field(default_factory=dict)
    """Modality -> [B', T] attention over segments; ``ground/temporal`` scores their sum."""
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    """What losses alone read, in training."""
    features: Mapping[str, Tensor] = field(default_factory=dict)
    """``question``, ``audio`` or ``visual`` -> [B', D], what the network makes of it before it
    meets the others: what debiasing reads, see ``System.features``."""

    def tensors(self) -> dict[str, Tensor]:
        """Return every tensor by a flat name, such as ``temporal/audio``."""
        spatial = {} if self.spatial is None else {"spatial": self.spatial}
        parts = {"temporal": self.temporal, "extra": self.extra, "features": self.features}
        named = {f"{part}/{n}": value for part, held in parts.items() for n, value in held.items()}
        return {"logits": self.logits} | spatial | named

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Output:
        """Return the output that has these ``tensors()``."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

        parts = (part(f"{prefix}/") for prefix in ("temporal", "extra", "features"))
        return cls(tensors["logits"], tensors.get("spatial"), *parts)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the loss, L = sum of weight * total / count; workers' totals add up."""

    total: Tensor
    """[] sum over this worker's items."""
    count: int
    """Items of the whole batch."""
    weight: float = 1.0
    """0: logged, not trained."""


class ModelFields(Protocol):
    """What every system's ``model`` fields have; the rest is known to the system alone."""

    @property
    def encoder(self) -> str:
        """Whose frozen features it reads."""
        ...

    @property
    def init_from(self) -> str:
        """Initial weights: ``none``, ``match`` (pretraining) or a checkpoint folder."""
        ...


M = TypeVar("M", bound=ModelFields)
L = TypeVar("L")


def drop_pretraining(model: M, loss: L) -> tuple[M, L]:
    """Put back initial weights of a stage that the system does not have."""
    return with_defaults(model, {"init_from"} if model.init_from == "match" else ()), loss


def refuse_pretraining(model: ModelFields, _loss: object) -> None:
    """Refuse initial weights of a stage that the system does not have."""
    if model.init_from == "match":
        raise ConfigError(
            "model.init_from = 'match' needs a match task, which this system does not have: "
            "leave model.init_from = 'none', or name a checkpoint folder"
        )


def _no_epochs(_model: ModelFields, _loss: object) -> int:
    return 0


def _nothing(_model: ModelFields, _loss: object) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class System(Generic[M, L]):
    """One network of the comparison.

    The network is a plain ``nn.Module`` with ``forward(batch: Batch, noise: Noise | None = None)
    -> Output``. It trains when there is noise, and evaluates without.

    ``tass_core.training.check.check_system`` tries a new system.
    """

    name: str
    """``--set system=<name>``, and what a checkpoint records."""
    model: type[M]
    """Its fields ``model.*``: a frozen dataclass, limits and marks beside the fields (see
    ``tass_core.fields``)."""
    loss: type[L]
    """Its fields ``loss.*``, likewise."""
    terms: tuple[str, ...]
    """The names of the loss's terms, logged as ``train/loss_<name>``."""
    needs: Callable[[M, L], Needs]
    """What it reads."""
    build: Callable[[M, L, Shapes], nn.Module]
    """Make the network; its initial weights are drawn afterwards. ``loss`` may decide no more
    than which layers there are."""
    losses: Callable[[Output, Batch, M, L, Stage], Mapping[str, Term]]
    """The terms of a step's loss by name, added up in this order; one that is left out is 0."""
    canonical: Callable[[M, L], tuple[M, L]] = drop_pretraining
    """Put fields without effect back to their defaults: one function, one key. It also gets
    fields that contradict each other."""
    check: Callable[[M, L], None] = refuse_pretraining
    """Raise ``ConfigError`` where fields contradict each other."""
    pretraining: Callable[[M, L], int] = _no_epochs
    """Epochs of stage ``pretrain`` before epoch 1."""
    per_member: frozenset[str] = frozenset()
    """Fields of ``model`` that the network keeps in buffers: members that differ in them can
    still be stacked."""
    word_vectors: str | None = None
    """The parameter that starts as the dataset's word vectors, where it has some."""
    stackable: bool = True
    """Whether ``torch.func.vmap`` can run the network over stacked weights."""
    gradient_free: Callable[[M, L], tuple[str, ...]] = _nothing
    """Modules or parameters that no gradient reaches, by the beginning of their names: a choice
    that is hard, as published, leaves what it chooses by as it was drawn."""
    features: Callable[[M, Shapes], Mapping[str, int]] | None = None
    """The widths of ``Output.features`` by name; None where there are none, and so no loss that
    debiases."""
    released: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None
    """Name the public code's weights as the network does; None where none were released."""
    fidelity: Fidelity | None = None
    """How near the published network it is; None where none is published."""
    differs: str = ""
    """What differs from the published network, in one line."""
    sees_time: bool = True
    """Whether the answer can depend on which segments come first, with the fields' defaults. A
    system that sees no more than which of them are neighbours answers a reversed video alike."""
    sees_place: bool = True
    """Whether the answer can depend on where in a frame a region is, likewise."""
    version: int = 1
    """Raised by hand whenever the same trial can give another result; part of the trial key."""


def _changed(held: Batch | Negatives, change: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    values = {item.name: getattr(held, item.name) for item in fields(held)}
    return {n: change(v) for n, v in values.items() if not isinstance(v, int | Negatives | None)}
