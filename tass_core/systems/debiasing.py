"""MCCD (Ma et al., NeurIPS 2024): a loss against answers from one modality, for any system.

Beside the network a head for each modality answers by that alone, and the loss keeps the network's
answer apart from theirs. With z the logits, and z_m those of question (q), sound (a), frames (v)::

    0.01 * 0.333 * sum_m 1 / (|z - z_m| + 1e-5)
    + 0.333^2 * (KL(z_q || z_a) + KL(z_v || z_q) + KL(z_a || z_v))

The heads have no loss on the right answers, and nothing is detached, as in the public code. That
divides by a batch's mean distance, and this by each question's own, so that a question's loss
depends on nothing beside it. Where a system lacks a modality, so do the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tass_core.errors import ConfigError
from tass_core.fields import FREE, LATER, at_least
from tass_core.systems.protocol import System


@dataclass(frozen=True, slots=True)
class Debiased:
    """What the loss of a system has that can be debiased."""

    mccd: Annotated[float, at_least(0.0), FREE, LATER] = 0.0
    """Weight of MCCD, 1 as published; at 0 its heads are left out."""


DIFFERS = "with MCCD's loss, by each question's own distances"
"""What differs from the published network where MCCD takes part, in a few words."""


def debiasing(loss: object) -> float:
    """Return the weight of MCCD: 0 where it takes no part."""
    return loss.mccd if isinstance(loss, Debiased) else 0.0


def check_debiasing(system: System[Any, Any], loss: object) -> None:
    """Refuse to debias a network that does not tell its modalities apart.

    Raises:
        ConfigError: naming the field.
    """
    if debiasing(loss) > 0 and system.features is None:
        raise ConfigError(
            f"loss.mccd = {debiasing(loss):g} needs features of question, sound and frames, of "
            f"which system '{system.name}' gives none: leave loss.mccd = 0, or let the system's "
            "Output hold features and its System say their widths"
        )
