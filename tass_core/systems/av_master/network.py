"""AV-Master: slots and tokens, sounds and frames that attend to the words, three answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.randomness import KeyedDropout
from tass_core.systems.av_master import MasterModel
from tass_core.systems.av_master.losses import ANSWERS
from tass_core.systems.av_master.slots import OneValue, SlotAttention, Slots
from tass_core.systems.blocks.attention import Attention
from tass_core.systems.blocks.fusion import FusionLayer
from tass_core.systems.blocks.rows import again, of_videos, take
from tass_core.systems.blocks.words import SentenceAndWords, mean_frames
from tass_core.systems.protocol import Batch, Noise, Output, Shapes

LAYERS = 2
"""In which the question attends, before it answers."""


class Network(nn.Module):
    """The network; what does not depend on the question is computed once a video."""

    def __init__(self, model: MasterModel, shapes: Shapes) -> None:
        super().__init__()
        width, drop = model.width, model.dropout
        self.asked = SentenceAndWords(model.encoder, shapes, width)
        self.project_audio = nn.Linear(shapes.audio, width)
        self.project_frame = nn.Linear(shapes.visual, width)
        self.slots = Slots(model)
        self.bias_visual = nn.Embedding(model.slots, width)
        self.bias_audio = nn.Embedding(model.slots, width)
        self.join = FusionLayer(width, 1, drop, "join", hidden=width)
        self.into_visual, self.into_audio = SlotAttention(width), SlotAttention(width)
        self.fusion = nn.Linear(3 * width, width)
        self.hear = FusionLayer(width, 1, drop, "hear", hidden=width, others=1)
        self.see = FusionLayer(width, 1, drop, "see", hidden=width, others=1)
        self.answers = nn.ModuleDict(
            {name: Answer(model, shapes.answers, name) for name in ANSWERS}
        )

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch; in training also contrast their videos."""
        video = batch.video[batch.rows]
        mine = video - batch.first_video
        question, words, padding = self.asked(batch)
        sounds = self.project_audio(batch.audio)  # [U, T, D]
        own_frames = self.project_frame(mean_frames(batch))  # [U', T, D]
        slots = self._slots(own_frames, sounds, batch, noise)
        audio, frames = take(sounds, video), take(own_frames, mine)
        x = self._fused([audio, frames], words, padding, [take(it, mine) for it in slots], noise)
        heard = self.hear(audio, noise, others=[(words, padding)])
        seen = self.see(frames, noise, others=[(words, padding)])
        found, temporal = {}, {}
        for name, read in zip(ANSWERS, (x.unsqueeze(1), heard, seen), strict=True):
            found[f"answer/{name}"], weights = self.answers[name](question, read, noise)
            if weights is not None:
                temporal[name] = weights
        extra: dict[str, Tensor] = {}
        if noise is not None:
            extra = found | self._contrast(batch, x, heard, seen, sounds, (words, padding), noise)
        features = {"question": question, "audio": audio.mean(dim=1), "visual": frames.mean(dim=1)}
        logits = torch.stack([*found.values()]).sum(dim=0)
        return Output(logits, temporal=temporal, extra=extra, features=features)

    def _slots(
        self, frames: Tensor, sounds: Tensor, batch: Batch, noise: Noise | None
    ) -> tuple[Tensor, Tensor]:
        """Return the slots of the owned videos' frames and of their sounds: [U', S, D] each."""
        once = of_videos(batch, noise)
        owned = sounds[batch.first_video : batch.first_video + len(frames)]
        of_frames = self.slots(frames, self.bias_visual.weight, once, 0)
        return of_frames, self.slots(owned, self.bias_audio.weight, once, 1)

    def _fused(
        self,
        streams: list[Tensor],
        words: Tensor,
        padding: Tensor,
        slots: list[Tensor],
        noise: Noise | None,
    ) -> Tensor:
        """Return x [B', D]: the greatest over all tokens, each with what it sees in the slots."""
        tokens = torch.cat([*streams, words], dim=1)
        shown = padding.new_zeros(len(tokens), tokens.shape[1] - words.shape[1])
        hide = torch.cat([shown, padding], dim=1)
        tokens = self.join(tokens, noise, hide)
        looked = (self.into_visual(tokens, slots[0]), self.into_audio(tokens, slots[1]))
        read: Tensor = self.fusion(torch.cat([tokens, *looked], dim=-1))
        return read.masked_fill(hide.unsqueeze(-1), -torch.inf).amax(dim=1)

    def _contrast(
        self,
        batch: Batch,
        x: Tensor,
        heard: Tensor,
        seen: Tensor,
        sounds: Tensor,
        asked: tuple[Tensor, Tensor],
        noise: Noise,
    ) -> dict[str, Tensor]:
        """Return the cosines [B'] of x with its own video's and with another's paths, summed."""
        negatives = batch.negatives
        if negatives is None or negatives.visual is None:
            return {}
        video = batch.video[batch.rows]
        away = take(sounds, (video + 1) % len(sounds))
        elsewhere = self.project_frame(negatives.visual.mean(dim=-2))
        elsewhere = take(elsewhere, video - batch.first_video)
        others = (
            layer(values, again(noise, 1), others=[asked])
            for layer, values in ((self.hear, away), (self.see, elsewhere))
        )
        return {"cosine/own": _agreement(x, heard, seen), "cosine/other": _agreement(x, *others)}


class Answer(nn.Module):
    """The question attends twice to a sequence and answers, as BERT's layers and head do.

    Args:
        model: the fields.
        answers: classes.
        name: of what is attended to. ``both`` is a single vector, where nothing is to be weighed.
    """

    def __init__(self, model: MasterModel, answers: int, name: str) -> None:
        super().__init__()
        width = model.width
        self.attend = nn.ModuleList(
            OneValue(width)
            if name == "both"
            else Attention(width, model.heads, model.dropout, f"answer.{name}.{i}")
            for i in range(LAYERS)
        )
        self.feed_in = nn.ModuleList(nn.Linear(width, width) for _ in range(LAYERS))
        self.feed_out = nn.ModuleList(nn.Linear(width, width) for _ in range(LAYERS))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * LAYERS))
        self.drops = nn.ModuleList(
            KeyedDropout(model.dropout, f"answer.{name}.branch.{i}") for i in range(2 * LAYERS)
        )
        self.transform, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.classify = nn.Linear(width, answers)

    def forward(
        self, question: Tensor, values: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return logits [B, answers] and the last weights [B, n], if anything was weighed.

        Args:
            question: [B, D].
            values: [B, n, D].
            noise: of training.
        """
        query, weights = question.unsqueeze(1), None
        for i, attend in enumerate(self.attend):
            if isinstance(attend, OneValue):
                attended = attend(values)
            else:
                attended, weights = attend(query, values, noise)
            query = self._add(2 * i, query, attended, noise)
            hidden = functional.gelu(self.feed_in[i](query))
            query = self._add(2 * i + 1, query, self.feed_out[i](hidden), noise)
        found = self.norm(functional.gelu(self.transform(query.squeeze(1))))
        over = None if weights is None else weights.mean(dim=1).squeeze(1)
        return self.classify(found), over

    def _add(self, place: int, query: Tensor, branch: Tensor, noise: Noise | None) -> Tensor:
        added: Tensor = self.norms[place](query + self.drops[place](branch, noise))
        return added


def _agreement(x: Tensor, heard: Tensor, seen: Tensor) -> Tensor:
    """Return [B]: the cosines of x [B, D] with the means of both [B, T, D], added up."""
    of_sounds, of_frames = (
        functional.cosine_similarity(x, path.mean(dim=1), dim=-1) for path in (heard, seen)
    )
    return of_sounds + of_frames
