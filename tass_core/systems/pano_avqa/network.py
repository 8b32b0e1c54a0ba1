"""LAViT: three streams of tokens, a ring of cross-attention, a pooled token of each."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.attention import Attention
from tass_core.systems.blocks.fusion import FusionLayer
from tass_core.systems.blocks.rows import of_videos, take
from tass_core.systems.pano_avqa import LavitModel
from tass_core.systems.pano_avqa.tokens import Embedding, Words, cells_of_frames, times_of_sounds
from tass_core.systems.protocol import Batch, Noise, Output, Shapes

FEED = 4
"""Width of a layer's feed-forward net over its own."""


class Network(nn.Module):
    """The network; the first token of every stream is the mean of the others."""

    def __init__(self, model: LavitModel, shapes: Shapes) -> None:
        super().__init__()
        width, seen, heard = model.width, 5, 2
        self.cells = model.cells
        self.embed_words = Words(model, shapes)
        self.embed_visual = Embedding(model, shapes.visual, seen, "visual")
        self.embed_audio = Embedding(model, shapes.audio, heard, "audio")
        self.language = _layers(model, model.language_layers, "language")
        self.visual = _layers(model, model.visual_layers, "visual")
        self.audio = _layers(model, model.audio_layers, "audio")
        self.ring = nn.ModuleList(Ring(model, f"ring.{i}") for i in range(model.cross_layers))
        self.pools = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.hidden = nn.Linear(3 * width, 6 * width)
        self.norm = nn.LayerNorm(6 * width)
        self.classify = nn.Linear(6 * width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        assert batch.visual is not None
        video = batch.video[batch.rows]
        words, padding = self.embed_words(batch, noise)
        once = of_videos(batch, noise)
        owned = batch.audio[batch.first_video : batch.first_video + len(batch.visual)]
        visual = self.embed_visual(*cells_of_frames(batch.visual, self.cells), once)
        audio = self.embed_audio(*times_of_sounds(owned), once)
        for layer in self.language:
            words = layer(words, noise, padding)
        for layer in self.visual:
            visual = layer(visual, once)
        for layer in self.audio:
            audio = layer(audio, once)
        visual, audio = (take(x, video - batch.first_video) for x in (visual, audio))
        features = {"question": words[:, 0], "audio": audio[:, 0], "visual": visual[:, 0]}
        for layer in self.ring:
            words, audio, visual = layer(words, padding, audio, visual, noise)
        first = zip(self.pools, (words, audio, visual), strict=True)
        pooled = torch.cat([torch.tanh(pool(x[:, 0])) for pool, x in first], dim=-1)
        hidden = self.norm(functional.gelu(self.hidden(pooled)))
        return Output(self.classify(hidden), features=features)


class Ring(nn.Module):
    """Words look at sounds, sounds at places, places at words; then each at itself."""

    def __init__(self, model: LavitModel, name: str) -> None:
        super().__init__()
        sizes = (model.width, model.heads, model.dropout)
        streams = ("words", "audio", "visual")
        self.cross = nn.ModuleList(Attention(*sizes, f"{name}.{s}.cross") for s in streams)
        self.drops = nn.ModuleList(
            KeyedDropout(model.dropout, f"{name}.{s}.crossed") for s in streams
        )
        self.norms = nn.ModuleList(nn.LayerNorm(model.width) for _ in streams)
        self.own = nn.ModuleList(_layer(model, f"{name}.{s}") for s in streams)

    def forward(
        self, words: Tensor, padding: Tensor, audio: Tensor, visual: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return words, audio and visual, [B, n, D] as they came; padding [B, n] of the words."""
        asked = [(words, audio, None), (audio, visual, None), (visual, words, padding)]
        crossed = [
            norm(x + drop(cross(x, y, noise, hide)[0], noise))
            for (x, y, hide), cross, drop, norm in zip(
                asked, self.cross, self.drops, self.norms, strict=True
            )
        ]
        hides = (padding, None, None)
        found = [
            layer(x, noise, hide) for layer, x, hide in zip(self.own, crossed, hides, strict=True)
        ]
        return found[0], found[1], found[2]


def _layers(model: LavitModel, count: int, name: str) -> nn.ModuleList:
    return nn.ModuleList(_layer(model, f"{name}.{i}") for i in range(count))


def _layer(model: LavitModel, name: str) -> FusionLayer:
    sizes = (model.width, model.heads, model.dropout)
    return FusionLayer(*sizes, name, hidden=FEED * model.width, activation="gelu")
