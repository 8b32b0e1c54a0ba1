"""MCAN: six layers on the words, six on the tokens of the video, and a sum of both pooled."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.attention import HIDDEN, Attention
from tass_core.systems.blocks.fusion import mean_of_shown
from tass_core.systems.blocks.rows import take
from tass_core.systems.blocks.words import WordStates, mean_frames
from tass_core.systems.mcan import McanModel
from tass_core.systems.protocol import Batch, Noise, Output, Shapes, Term

WORD_CHANNELS = 300
"""Width of the word embedding, where the dataset has no word vectors."""


class Network(nn.Module):
    """The network; every token knows its modality by the bias of its projection."""

    def __init__(self, model: McanModel, shapes: Shapes) -> None:
        super().__init__()
        width, layers = model.width, range(model.layers)
        self.regions = model.visual == "regions"
        self.words = WordStates(model.encoder, shapes, WORD_CHANNELS, width)
        self.project_visual = nn.Linear(shapes.visual, width) if "v" in model.inputs else None
        self.project_audio = nn.Linear(shapes.audio, width) if "a" in model.inputs else None
        self.positions = nn.Embedding(shapes.segments, width) if model.positions else None
        self.encoder = nn.ModuleList(Layer(model, f"words.{i}", guided=False) for i in layers)
        self.decoder = nn.ModuleList(Layer(model, f"tokens.{i}", guided=True) for i in layers)
        self.pool_words = Pooling(model, "words.pool")
        self.pool_tokens = Pooling(model, "tokens.pool")
        self.norm = Norm(2 * width)
        self.classify = nn.Linear(2 * width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        words, padding = self.words(batch)
        tokens, empty = self._tokens(batch)
        features = {"question": mean_of_shown(words, padding), **self._means(tokens, batch)}
        for layer in self.encoder:
            words = layer(words, padding, noise)
        for layer in self.decoder:
            tokens = layer(tokens, empty, noise, words, padding)
        asked, _ = self.pool_words(words, padding, noise)
        seen, weights = self.pool_tokens(tokens, empty, noise)
        output = self._output(self.classify(self.norm(asked + seen)), weights, batch)
        return replace(output, features=features)

    def _tokens(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return X [B', n, D], visual tokens first, and [B', n], True where a token is empty."""
        video, found = batch.video[batch.rows], []
        if self.project_visual is not None:
            assert batch.visual is not None
            visual = batch.visual if self.regions else mean_frames(batch).unsqueeze(2)
            found.append((visual, self.project_visual, video - batch.first_video))
        if self.project_audio is not None:
            found.append((batch.audio.unsqueeze(2), self.project_audio, video))
        tokens = [take(self._place(project(x)).flatten(1, 2), at) for x, project, at in found]
        empty = [take((x == 0).all(dim=-1).flatten(1), at) for x, _, at in found]
        return torch.cat(tokens, dim=1), torch.cat(empty, dim=1)

    def _means(self, tokens: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the means of the visual and of the sound's tokens, as far as there are any."""
        heard = batch.audio.shape[1] if self.project_audio is not None else 0
        parts = tokens.split([tokens.shape[1] - heard, heard], dim=1)
        named = zip(("visual", "audio"), parts, strict=True)
        return {name: part.mean(dim=1) for name, part in named if part.shape[1]}

    def _place(self, tokens: Tensor) -> Tensor:
        """Add to tokens [U, T, n, D] what tells their segment."""
        return tokens if self.positions is None else tokens + self.positions.weight.unsqueeze(1)

    def _output(self, logits: Tensor, weights: Tensor, batch: Batch) -> Output:
        """Tell the weights of the last pooling [B', n] by segment, and by region if it has them."""
        segments = batch.audio.shape[1]
        heard = segments if self.project_audio is not None else 0
        visual, audio = weights.split([weights.shape[1] - heard, heard], dim=1)
        spatial, temporal = None, {"audio": audio} if heard else {}
        if self.project_visual is not None:
            by_region = visual.unflatten(1, (segments, -1))
            temporal = {"visual": by_region.sum(dim=-1)} | temporal
            if self.regions:
                tiny = torch.finfo(weights.dtype).tiny
                spatial = by_region / by_region.sum(dim=-1, keepdim=True).clamp_min(tiny)
        return Output(logits, spatial, temporal)


class Layer(nn.Module):
    """Self-attention, attention to the words if it is guided, a feed-forward net: LN(x + f(x))."""

    def __init__(self, model: McanModel, name: str, *, guided: bool) -> None:
        super().__init__()
        sizes = (model.width, model.heads, model.dropout)
        self.own = Attention(*sizes, f"{name}.own")
        self.guide = Attention(*sizes, f"{name}.guide") if guided else None
        self.feed_in = nn.Linear(model.width, 4 * model.width)
        self.feed_out = nn.Linear(4 * model.width, model.width)
        self.drop_feed = KeyedDropout(model.dropout, f"{name}.feed")
        branches = 3 if guided else 2
        self.norms = nn.ModuleList(Norm(model.width) for _ in range(branches))
        self.drops = nn.ModuleList(
            KeyedDropout(model.dropout, f"{name}.branch.{i}") for i in range(branches)
        )

    def forward(
        self,
        tokens: Tensor,
        empty: Tensor,
        noise: Noise | None,
        words: Tensor | None = None,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Return [B, n, D] for tokens [B, n, D] with mask [B, n] and words [B, N, D], [B, N]."""
        tokens = self._add(0, tokens, self.own(tokens, tokens, noise, empty)[0], noise)
        if self.guide is not None:
            tokens = self._add(1, tokens, self.guide(tokens, words, noise, padding)[0], noise)
        hidden = self.drop_feed(torch.relu(self.feed_in(tokens)), noise)
        return self._add(-1, tokens, self.feed_out(hidden), noise)

    def _add(self, place: int, tokens: Tensor, branch: Tensor, noise: Noise | None) -> Tensor:
        added: Tensor = self.norms[place](tokens + self.drops[place](branch, noise))
        return added


class Pooling(nn.Module):
    """A weighted sum of tokens, whose weights a small net gives, at twice the width."""

    def __init__(self, model: McanModel, name: str) -> None:
        super().__init__()
        self.hidden = nn.Linear(model.width, model.width)
        self.score = nn.Linear(model.width, 1)
        self.drop = KeyedDropout(model.dropout, name)
        self.output = nn.Linear(model.width, 2 * model.width)

    def forward(self, tokens: Tensor, hide: Tensor, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """Return [B, 2D] and the weights [B, n] of tokens [B, n, D] with mask [B, n]."""
        scores = self.score(self.drop(torch.relu(self.hidden(tokens)), noise)).squeeze(-1)
        weights = scores.masked_fill(hide, HIDDEN).softmax(dim=-1)
        return self.output((weights.unsqueeze(1) @ tokens).squeeze(1)), weights


class Norm(nn.Module):
    """LayerNorm by the unbiased deviation: gain (x - mean) / (std + 1e-6) + bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))

    def reset_parameters(self) -> None:
        """Start as the plain normalisation."""
        nn.init.ones_(self.gain)
        nn.init.zeros_(self.bias)

    def forward(self, values: Tensor) -> Tensor:
        """Return [..., D] for values [..., D]."""
        centred = values - values.mean(dim=-1, keepdim=True)
        return self.gain * centred / (values.std(dim=-1, keepdim=True) + 1e-6) + self.bias


def logistic_term(output: Output, batch: Batch) -> Term:
    """Return the logistic loss of every answer, right or wrong, summed over the answers."""
    right = functional.one_hot(batch.answer[batch.rows], output.logits.shape[-1])
    total = functional.binary_cross_entropy_with_logits(
        output.logits, right.to(output.logits.dtype), reduction="sum"
    )
    return Term(total, len(batch.answer))
