"""What systems that learn from the answers alone say to the platform."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tass_core.errors import ConfigError
from tass_core.systems.debiasing import Debiased
from tass_core.systems.protocol import (
    TOKENS,
    ArrayName,
    Batch,
    ModelFields,
    Needs,
    Output,
    Shapes,
    Stage,
    Term,
    refuse_pretraining,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class AnswerLoss(Debiased):
    """The cross-entropy of the answers."""


def answer_losses(
    output: Output, batch: Batch, _model: object, _loss: object, _stage: Stage
) -> Mapping[str, Term]:
    """Return L_qa; torch is imported here, for whoever only reads the fields."""
    from tass_core.systems.blocks.match import answer_term

    return {"qa": answer_term(output, batch)}


def reads(encoder: str, *clip: ArrayName, visual: bool = True) -> Needs:
    """Return the needs of a system that reads a question as ``clip`` has it, or as tokens."""
    text: tuple[ArrayName, ...] = clip if encoder not in TOKENS else ("tokens",)
    return Needs(encoder, frozenset({*text, *(("visual",) if visual else ())}))


def builds(module: str, name: str = "Network") -> Callable[[object, object, Shapes], nn.Module]:
    """Return what makes a module's network, which is imported then: it needs torch, fields do not.

    Args:
        module: where the network is, by its whole name.
        name: of its class, which takes the model's fields and the shapes.
    """

    def build(model: object, _loss: object, shapes: Shapes) -> nn.Module:
        network: Callable[[object, Shapes], nn.Module] = getattr(
            importlib.import_module(module), name
        )
        return network(model, shapes)

    return build


class _Wide(ModelFields, Protocol):
    """Fields of a network of one width."""

    @property
    def width(self) -> int:
        """D."""


def of_width(model: _Wide, _shapes: Shapes) -> Mapping[str, int]:
    """Return the widths of features of question, sound and frames that are all of width D."""
    return dict.fromkeys(("question", "audio", "visual"), model.width)


class _Attends(_Wide, Protocol):
    """Fields of a network with heads of attention."""

    @property
    def heads(self) -> int:
        """Heads of every attention."""


def check_heads(model: _Attends, loss: object) -> None:
    """Refuse pretraining, and a width that the heads cannot share.

    Raises:
        ConfigError: naming the field.
    """
    refuse_pretraining(model, loss)
    require_heads(model.width, model.heads)


def require_heads(width: int, heads: int) -> None:
    """Refuse a width that the heads cannot share.

    Raises:
        ConfigError: it is no multiple of them.
    """
    if width % heads:
        raise ConfigError(
            f"model.width = {width} does not fit model.heads = {heads}: the width must be a "
            f"multiple of the heads, for instance {max(1, round(width / heads)) * heads}"
        )
