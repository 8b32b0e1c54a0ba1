"""AVST on features that adapters of both modalities have changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.avst import AvstLoss, AvstModel, network
from tass_core.systems.avst.lavish import LavishModel
from tass_core.systems.protocol import Batch, Shapes

GROUPS = 4
"""Of the convolutions that lead into an adapter's bottleneck and out of it."""
REDUCTION = 8
"""Width over that of the bottleneck."""


class Network(network.Network):
    """AVST whose frames and sounds have heard and seen each other.

    Sounds of videos that another worker owns stay as they are; AVST reads its own alone.
    """

    def __init__(
        self, lavish: LavishModel, model: AvstModel, loss: AvstLoss, shapes: Shapes
    ) -> None:
        super().__init__(model, loss, shapes)
        steps = 2 * lavish.rounds
        made = [
            nn.ModuleList(
                Adapter(lavish.width, lavish.latents, lavish.latent_init) for _ in range(steps)
            )
            for _ in range(2)
        ]
        self.sound_adapters, self.frame_adapters = made

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sounds of all videos [U, T, D] and the owned frames [U', T, P, D]."""
        a, maps = super().encode(batch)
        first, last = batch.first_video, batch.first_video + len(maps)
        own = a[first:last]
        for on_sound, on_frame in zip(self.sound_adapters, self.frame_adapters, strict=True):
            frames = maps.mean(dim=-2)  # [U', T, D]
            # A region is told of its video's whole sound, a sound of the video's frames.
            heard = on_frame(maps, own.unsqueeze(1))
            own, maps = own + on_sound(own, frames), maps + heard
        return torch.cat([a[:first], own, a[last:]]), maps


class Adapter(nn.Module):
    """A bottleneck through which tokens are told of the other modality's tokens.

    S = Z + softmax(Z Y') Y, X~ = X + g1 softmax(X S') S, g2 LN(up(relu(down(LN(X~))))).
    """

    def __init__(self, width: int, latents: int, start: str) -> None:
        super().__init__()
        self.start = start
        self.latents = nn.Parameter(torch.empty(latents, width))
        self.gates = nn.Parameter(torch.empty(2))
        narrow = max(1, width // (GROUPS * REDUCTION)) * GROUPS
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.down = nn.Conv1d(width, narrow, 1, groups=GROUPS, bias=False)
        self.up = nn.Conv1d(narrow, width, 1, groups=GROUPS, bias=False)

    def reset_parameters(self) -> None:
        """Shut both gates; latent tokens are 0 or small."""
        nn.init.zeros_(self.gates)
        nn.init.normal_(self.latents, std=0.02 if self.start == "normal" else 0.0)

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        """Return what is added to tokens X [..., n, D], told of Y [..., m, D]."""
        read = (self.latents @ others.transpose(-1, -2)).softmax(dim=-1) @ others
        summary = self.latents + read
        told = (tokens @ summary.transpose(-1, -2)).softmax(dim=-1) @ summary
        mixed = self.before(tokens + self.gates[0] * told).flatten(0, -2)
        narrow = torch.relu(grouped(self.down, mixed))
        out = self.after(grouped(self.up, narrow).view(tokens.shape))
        added: Tensor = self.gates[1] * out
        return added


def grouped(layer: nn.Conv1d, rows: Tensor) -> Tensor:
    """Return a convolution of length 1 as products of the groups: [R, O] for rows [R, I]."""
    weight = layer.weight.squeeze(-1).unflatten(0, (GROUPS, -1))  # [G, O / G, I / G]
    parts = rows.unflatten(-1, (GROUPS, -1)).transpose(0, 1)  # [G, R, I / G]
    found: Tensor = (parts @ weight.transpose(-1, -2)).transpose(0, 1).flatten(1)
    return found
