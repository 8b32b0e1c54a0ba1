"""LAViT's tokens: words with their positions, cells of frames and sounds with coordinates."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.question import is_padding
from tass_core.systems.pano_avqa import LavitModel
from tass_core.systems.protocol import TOKENS, Batch, Noise, Shapes


class Words(nn.Module):
    """Embedded tokens, or CLIP's word features, projected; a position each, and a norm."""

    def __init__(self, model: LavitModel, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        if model.encoder not in TOKENS:
            self.project: nn.Linear | None = nn.Linear(shapes.text, width)
        else:
            channels = shapes.vectors or width
            self.embedding = nn.Embedding(shapes.vocabulary, channels)
            self.project = nn.Linear(channels, width) if channels != width else None
        self.positions = nn.Embedding(shapes.words, width)
        self.norm = nn.LayerNorm(width)
        self.drop = KeyedDropout(model.dropout, "words.embedded")

    def forward(self, batch: Batch, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Return [B', 1 + N, D] with the mean first, and [B', 1 + N], True at padding."""
        assert batch.word_count is not None
        if batch.tokens is None:
            assert batch.words is not None
            words = batch.words[batch.rows]
        else:
            words = self.embedding(batch.tokens[batch.rows])
        words = words if self.project is None else self.project(words)
        count = batch.word_count[batch.rows]
        padding = is_padding(words, count)
        places = torch.arange(words.shape[1], device=words.device)
        # Longer questions than the dataset's are padding there.
        words = words + self.positions(places.clamp_max(self.positions.num_embeddings - 1))
        shown = words.masked_fill(padding.unsqueeze(-1), 0.0)
        mean = shown.sum(dim=1, keepdim=True) / count[:, None, None]
        tokens = self.drop(self.norm(torch.cat([mean, words], dim=1)), noise)
        return tokens, torch.cat([torch.zeros_like(padding[:, :1]), padding], dim=1)


class Embedding(nn.Module):
    """The mean of a normed layer on a token's feature and one on its coordinates.

    Args:
        model: the fields.
        channels: of a feature.
        numbers: of a token's coordinates.
        name: keeps its dropout apart.
    """

    def __init__(self, model: LavitModel, channels: int, numbers: int, name: str) -> None:
        super().__init__()
        parts = [channels, *([numbers] if model.coordinates else [])]
        self.layers = nn.ModuleList(nn.Linear(part, model.width) for part in parts)
        self.norms = nn.ModuleList(nn.LayerNorm(model.width) for _ in parts)
        self.drop = KeyedDropout(model.dropout, f"{name}.embedded")

    def forward(self, features: Tensor, places: Tensor, noise: Noise | None) -> Tensor:
        """Return [U, 1 + n, D] with the mean first, for features [U, n, C], places [n, numbers]."""
        given = [_mean_first(features), _mean_first(places.unsqueeze(0))]
        parts = zip(self.layers, self.norms, given, strict=False)
        embedded = [norm(layer(x)) for layer, norm, x in parts]
        tokens: Tensor = self.drop(sum(embedded[1:], embedded[0]) / len(embedded), noise)
        return tokens


def cells_of_frames(visual: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Average every frame to a grid of cells.

    A map whose regions make no square is read as one row.

    Args:
        visual: [U, T, P, C].
        cells: the most rows and columns.

    Returns:
        [U, T * n, C] and their x, y, width, height and time, all between 0 and 1: [T * n, 5].
    """
    segments, regions = visual.shape[1:3]
    side = math.isqrt(regions)
    rows, columns = (side, side) if side * side == regions else (1, regions)
    size = (min(cells, rows), min(cells, columns))
    maps = visual.flatten(0, 1).transpose(1, 2).unflatten(2, (rows, columns))
    pooled = functional.adaptive_avg_pool2d(maps, size).flatten(2).transpose(1, 2)
    at_y, at_x = (_centres(count, visual) for count in size)
    at_t = _centres(segments, visual)
    t, y, x = torch.meshgrid(at_t, at_y, at_x, indexing="ij")
    one = torch.ones_like(x)
    places = torch.stack([x, y, one / size[1], one / size[0], t], dim=-1).flatten(0, 2)
    return pooled.unflatten(0, (len(visual), segments)).flatten(1, 2), places


def times_of_sounds(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Return audio [U, T, C], and each segment's start and end between 0 and 1: [T, 2]."""
    centres, half = _centres(audio.shape[1], audio), 0.5 / audio.shape[1]
    return audio, torch.stack([centres - half, centres + half], dim=-1)


def _centres(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count


def _mean_first(values: Tensor) -> Tensor:
    return torch.cat([values.mean(dim=1, keepdim=True), values], dim=1)
