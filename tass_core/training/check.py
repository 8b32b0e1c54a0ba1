"""A trial of a new system: ``check_system(MYNET)`` in its author's tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tass_core.batches.example import example_batch, example_shapes
from tass_core.config import TrialConfig
from tass_core.systems import loss_terms, step_losses, system_named
from tass_core.systems.protocol import Batch, Negatives, Output, Shapes, System
from tass_core.training.groups import Group, Solo, Stack
from tass_core.training.member import Member
from tass_core.training.probe import EXACT, exact_member, first_noise


def check_system(system: System[Any, Any], values: Mapping[str, Any] | None = None) -> None:
    """Try a system on small batches, in float64, where rounding excuses nothing.

    Its outputs have their shapes; a question is answered alike alone and beside others, with
    and without padding; workers' losses add up to the batch's; gradients reach every parameter;
    and, unless it says that it cannot be stacked, stacked members train as they do alone.

    Args:
        system: it must be installed under its name.
        values: config fields by dotted name, such as a small ``model.width``.

    Raises:
        AssertionError: what fails, in words.
        ConfigError: the system is not installed, or the values are no config of it.
    """
    _require(system_named(system.name) is system, f"another system is installed as {system.name}")
    config = TrialConfig(system.name, system.model(), system.loss()).with_values(values or {})
    canonical = config.canonical()
    _require(canonical.canonical() == canonical, "canonical() changes what it returned")
    shapes = example_shapes(config.needs())
    batch = example_batch(config.needs(), shapes)
    member = exact_member(config, shapes)
    widths = {} if system.features is None else system.features(member.config.model, shapes)
    _check_output(member.forward(batch), batch, widths)
    _check_questions(member, batch)
    _check_losses(member, batch)
    if system.stackable:
        _check_stack(config, shapes, batch)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def _same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], when: str) -> None:
    _require(found.keys() == wanted.keys(), f"{when} the output has {[*found]}, not {[*wanted]}")
    for name, tensor in wanted.items():
        apart = (found[name] - tensor).detach().abs()
        if bool((apart > EXACT).any()) or bool(apart.isnan().any()):
            raise AssertionError(f"{when} {name} differs by {float(apart.max()):.1e}")


def _check_output(output: Output, batch: Batch, widths: Mapping[str, int]) -> None:
    questions, segments = len(batch.rows), batch.audio.shape[1]
    told, given = sorted(widths), sorted(output.features)
    _require(told == given, f"features are {given}, and it is said that they are {told}")
    shapes = {"logits": (questions, 6), "spatial": (questions, segments, 9)}
    shapes |= {f"features/{name}": (questions, width) for name, width in widths.items()}
    for name, tensor in output.tensors().items():
        wanted = shapes.get(name, (questions, segments))
        if name.startswith("extra/"):
            continue
        _require(tuple(tensor.shape) == wanted, f"{name} is {tuple(tensor.shape)}, not {wanted}")
        if name.startswith(("spatial", "temporal/")):
            _require(bool((tensor >= 0).all()), f"{name} has weights below 0")
    if output.spatial is not None:
        ones = torch.ones(questions, segments, dtype=torch.float64)
        _same({"": output.spatial.sum(-1)}, {"": ones}, "over the regions, the sum of spatial")


def _check_questions(member: Member, batch: Batch) -> None:
    """A question's output depends on nothing beside it, nor on how a batch is laid out."""
    together = member.forward(batch).tensors()
    apart = batch.per_question()
    _same(member.forward(apart).tensors(), together, "with a video for each question")
    for row in range(len(apart.rows)):
        one = apart.map(lambda tensor, row=row: tensor[row : row + 1])  # type: ignore[misc]
        one = replace(one, video=one.video * 0, rows=one.rows * 0)
        wanted = {name: tensor[row : row + 1] for name, tensor in together.items()}
        _same(member.forward(one).tensors(), wanted, "for a question alone")
    _same(member.forward(_padded(batch)).tensors(), together, "with more padding after the words")


def _padded(batch: Batch) -> Batch:
    def longer(tensor: Tensor) -> Tensor:
        return torch.cat([tensor, tensor.new_zeros(tensor[:, :2].shape)], dim=1)

    return replace(
        batch,
        words=None if batch.words is None else longer(batch.words),
        tokens=None if batch.tokens is None else longer(batch.tokens),
    )


def _check_losses(member: Member, batch: Batch) -> None:
    """Losses are finite and named, workers' add up, and gradients reach every parameter."""
    system, config = member.system, member.config
    output = member.forward(batch, first_noise(batch))
    found, known = step_losses(config, output, batch, "train"), loss_terms(config)
    _require({*found} <= {*known}, f"losses {[*found]} are not all among {known}")
    whole = Solo(member).gradients(batch, first_noise(batch), "train")
    _require(bool(whole.isfinite().all()), f"the losses are {whole.tolist()}")
    free = tuple(f"{name}." for name in system.gradient_free(config.model, config.loss))
    told = {n for n, _ in member.model.named_parameters() if f"{n}.".startswith(free)}
    missing = {n: None for n, p in member.model.named_parameters() if p.grad is None}
    lost, reached = [n for n in missing if n not in told], sorted(told - {*missing})
    _require(not lost, f"no gradient reaches {', '.join(lost)}")
    _require(
        not reached, f"gradients reach {', '.join(reached)}, of which it is said that none does"
    )
    parts = [_share(batch, first, len(batch.audio)) for first in (0, 1)]
    shares = [Solo(member).gradients(part, first_noise(part), "train") for part in parts]
    _same({"loss": torch.stack(shares).sum(dim=0)}, {"loss": whole}, "added up over two workers")


def _share(batch: Batch, worker: int, videos: int) -> Batch:
    """Return the part of one of two workers: the first video, or the others."""
    owned = slice(0, 1) if worker == 0 else slice(1, videos)
    mine = (batch.video >= owned.start) & (batch.video < owned.stop)
    given, negatives = batch.negatives, None
    if given is not None:
        slots = batch.audio.shape[1] * batch.slots
        frame = given.pairs // slots
        pairs = given.pairs[(frame >= owned.start) & (frame < owned.stop)] - owned.start * slots
        negatives = Negatives(
            given.source_video[owned],
            given.source_time[owned],
            pairs,
            None if given.visual is None else given.visual[owned],
        )
    return replace(
        batch,
        visual=None if batch.visual is None else batch.visual[owned],
        first_video=owned.start,
        rows=mine.nonzero().squeeze(-1),
        negatives=negatives,
    )


def _check_stack(config: TrialConfig, shapes: Shapes, batch: Batch) -> None:
    """Members with other weights have, in a stack, the losses and gradients of each alone."""
    alone, stacked = ([exact_member(config, shapes, seed) for seed in (0, 1)] for _ in range(2))
    groups: list[Group] = [Solo(member) for member in alone]
    wanted = torch.cat([group.gradients(batch, first_noise(batch), "train") for group in groups])
    found = Stack(stacked).gradients(batch, first_noise(batch), "train")
    _same({"loss": found}, {"loss": wanted}, "in a stack")
    for one, other in zip(stacked, alone, strict=True):
        _same(_gradients(one), _gradients(other), "in a stack the gradient of")


def _gradients(member: Member) -> dict[str, Tensor]:
    named = member.model.named_parameters()
    return {name: p.grad for name, p in named if p.grad is not None}
