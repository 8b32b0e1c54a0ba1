"""The network of AVST."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.avst import AvstLoss, AvstModel
from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.blocks.match import MatchHead
from tass_core.systems.blocks.question import question_encoder
from tass_core.systems.blocks.regions import (
    mean_and_attended,
    region_projection,
    region_scores,
)
from tass_core.systems.blocks.rows import take
from tass_core.systems.protocol import Batch, Negatives, Noise, Output, Shapes


class Network(nn.Module):
    """AVST with one question encoder per dataset's features.

    Questions end at their last word here; the public code lets its LSTM run over the padding.

    Args:
        model: its fields.
        loss: decides whether the match task's layers are part of it.
        shapes: the dataset's.
    """

    def __init__(self, model: AvstModel, loss: AvstLoss, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        self.project_visual = region_projection(model.encoder, shapes, width)
        self.project_audio = nn.Sequential(
            nn.Linear(shapes.audio, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.question = question_encoder(model.encoder, shapes, width)
        self.ground = nn.Linear(2 * width, width)
        self.match = MatchHead(width) if loss.lambda_s > 0 else None
        rates = {"attention_dropout": model.dropout, "dropout": model.dropout}
        self.audio = QuestionAttention(width, model.heads, name="audio", **rates)
        self.visual = QuestionAttention(width, model.heads, name="visual", **rates)
        self.fusion = nn.Linear(2 * width, width)
        self.classify = nn.Linear(width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch; in training also tell pairs that match."""
        return self.decide(batch, *self.encode(batch), noise)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sounds of all videos [U, T, D] and the owned frames [U', T, P, D]."""
        assert batch.visual is not None
        return self.project_audio(batch.audio), self.project_visual(batch.visual)

    def decide(self, batch: Batch, a: Tensor, maps: Tensor, noise: Noise | None) -> Output:
        """Ground the frames, answer and match; see ``encode``."""
        video = batch.video[batch.rows]
        mine = video - batch.first_video
        question = self.question(batch)[0][batch.rows]
        owned = slice(batch.first_video, batch.first_video + len(maps))
        v, weights = self.look(maps, a[owned])  # [U', T, D]
        heard, seen = take(a, video), take(v, mine)
        logits, temporal = self.answer(question, heard, seen, noise)
        extra: dict[str, Tensor] = {}
        if noise is not None and self.match is not None:
            extra["matched"] = take(self.match(self.match.hear(a[owned]), v), mine)
            if batch.negatives is not None:
                extra["mismatched"] = self._mismatched(batch.negatives, maps, a, batch.slots)
        features = {"question": question, "audio": heard.mean(dim=1), "visual": seen.mean(dim=1)}
        return Output(logits, take(weights, mine), temporal, extra, features)

    def answer(
        self, question: Tensor, heard: Tensor, seen: Tensor, noise: Noise | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits [B, answers] and the weights of both streams [B, T].

        Args:
            question: [B, D].
            heard: [B, T, D] sounds.
            seen: [B, T, D] grounded frames.
            noise: of training.
        """
        u_a, w_a = self.audio(question, heard, noise)
        u_v, w_v = self.visual(question, seen, noise)
        both = torch.cat([u_a + heard.mean(dim=1), u_v + seen.mean(dim=1)], dim=-1)
        logits = self.classify(torch.tanh(self.fusion(torch.tanh(both)) * question))
        return logits, {"audio": w_a, "visual": w_v}

    def look(self, maps: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Let audio look at the regions of its frame.

        With regions r_i of length 1 and audio k of length 1: s = softmax_i(r_i . k), and
        v = W tanh[mean of the raw regions; sum_i s_i r_i].

        Args:
            maps: [..., P, D] projected regions.
            audio: [..., D].

        Returns:
            v [..., D] and s [..., P].
        """
        queries = functional.normalize(audio, dim=-1).unsqueeze(-2)
        scores, inverse_norms = region_scores(maps, queries)
        weights = scores.softmax(dim=-1)
        pooled = mean_and_attended(maps, weights, inverse_norms)  # [..., 2, D]
        return self.ground(torch.tanh(pooled.flatten(-2))), weights.squeeze(-2)

    def _mismatched(self, negatives: Negatives, maps: Tensor, a: Tensor, slots: int) -> Tensor:
        """Return the logits [M, 2] of audio that looks into another video's frames."""
        assert self.match is not None
        places = negatives.source_places(a.shape[1])
        heard = take(a.flatten(0, 1), places.flatten()).unflatten(0, places.shape)
        if negatives.visual is not None:
            maps = self.project_visual(negatives.visual)
        seen, _ = self.look(maps, heard)
        logits = self.match(self.match.hear(heard), seen)  # [U', T, 2]
        return take(logits.flatten(0, 1), negatives.pairs // slots)
