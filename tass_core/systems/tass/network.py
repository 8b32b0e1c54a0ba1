"""TASS, the target-aware single-stream network, in the order of the paper's section 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.systems.blocks.lstm import run_lstm
from tass_core.systems.blocks.match import MatchHead
from tass_core.systems.blocks.question import question_encoder
from tass_core.systems.blocks.regions import region_projection
from tass_core.systems.blocks.rows import take
from tass_core.systems.protocol import Batch, Negatives, Noise, Output, Shapes
from tass_core.systems.tass.config import TassLoss, TassModel, uses_match
from tass_core.systems.tass.spatial import Merged, SpatialGrounding, WordTarget
from tass_core.systems.tass.temporal import DualStream, SingleStream


class Network(nn.Module):
    """The network and every variant of it in the paper's tables.

    Args:
        model: its fields, in canonical form.
        loss: decides whether the match task's layers (Eq. 7) are part of it.
        shapes: the dataset's. Pretrained word vectors give the GloVe encoder's embedding their
            width.
    """

    def __init__(self, model: TassModel, loss: TassLoss, shapes: Shapes) -> None:
        super().__init__()
        width = model.width
        # Section 3.2: input embeddings; the encoders before them are frozen.
        self.project_visual = region_projection(model.encoder, shapes, width)
        self.project_audio = nn.Sequential(
            nn.Linear(shapes.audio, width), nn.ReLU(), nn.Linear(width, width)
        )
        target = None if model.target == "sentence" else WordTarget(width, model.target)
        self.question = question_encoder(model.encoder, shapes, width, target)
        # Section 3.3: TSG+, or a layer on the mean of the map.
        self.spatial = _spatial(model)
        self.pooled = None if model.spatial_grounding else nn.Linear(width, width)
        self.match = MatchHead(width) if uses_match(model, loss) else None  # Eq. 7
        # Section 3.4: JTG.
        self.single = _single(model, shapes)
        self.dual = _dual(model)
        if model.temporal_grounding:
            self.visual_lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
            self.audio_lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.fusion = nn.Linear(2 * width, width)
        # Section 3.5: answer prediction.
        self.classify = nn.Linear(width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch; in training also tell pairs that match."""
        rows, video = batch.rows, batch.video[batch.rows]
        matching = noise is not None and self.match is not None
        negatives = batch.negatives if matching else None
        f_q, f_tgt = self.question(batch)
        f_a = self.project_audio(batch.audio)
        f_v, spatial, f_v_negative = self._ground_space(batch, f_a, f_tgt, negatives)
        fused, temporal = self._ground_time(f_q[rows], f_v, f_a, video, noise)
        e = fused * f_q[rows]  # Eq. 20
        extra = self._match(batch, f_a, f_v, f_v_negative) if matching else {}
        means = {"audio": take(f_a.mean(dim=1), video), "visual": f_v.mean(dim=1)}
        features = {"question": f_q[rows], **means}
        return Output(self.classify(torch.tanh(e)), spatial, temporal, extra, features)

    def _ground_space(
        self, batch: Batch, f_a: Tensor, f_tgt: Tensor, negatives: Negatives | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return f_v [B', T, D], its weights [B', T, P] and the negatives' f_v [M, D].

        Frames are held once a video. All questions on a video look at its frames together, each
        in the slot that is its own, and so do those that another video sends as negatives.
        """
        assert batch.visual is not None
        video, slot = batch.video[batch.rows] - batch.first_video, batch.slot[batch.rows]
        if self.spatial is None:
            assert self.pooled is not None
            f_v = self.pooled(self.project_visual(batch.visual.mean(dim=-2)))
            return take(f_v, video), None, None
        owned = slice(batch.first_video, batch.first_video + len(batch.visual))
        empty = f_tgt.new_zeros(len(batch.audio), batch.slots, f_tgt.shape[-1])
        targets = empty.index_put((batch.video, batch.slot), f_tgt)  # [U, K, D]
        audio = f_a[owned].unsqueeze(2)
        target = targets[owned, None, None].expand(-1, f_a.shape[1], -1, -1, -1)
        maps, elsewhere = self.project_visual(batch.visual), None
        if negatives is not None:
            other_audio, other_target = _other_queries(negatives, f_a, targets)
            if negatives.visual is not None:
                frames = self.project_visual(negatives.visual)
                elsewhere = self.spatial(frames, other_audio, other_target)
            else:
                audio = torch.cat([audio, other_audio], dim=2)
                target = torch.cat([target, other_target], dim=2)
        frame, f_vi, weights = self.spatial(maps, audio, target)
        seen = f_vi[:, :, 0].transpose(1, 2).flatten(0, 1)
        f_v = self.spatial.represent(take(frame, video), take(seen, video * batch.slots + slot))
        spatial = weights[video, :, 0, slot]
        if negatives is None:
            return f_v, spatial, None
        if elsewhere is not None:
            frame, f_vi, _ = elsewhere
        f_v_negative = self.spatial.represent(
            take(frame.flatten(0, 1), negatives.pairs // batch.slots),
            take(f_vi[:, :, -1].flatten(0, 2), negatives.pairs),
        )
        return f_v, spatial, f_v_negative

    def _match(
        self, batch: Batch, f_a: Tensor, f_v: Tensor, f_v_negative: Tensor | None
    ) -> dict[str, Tensor]:
        """Return Eq. 7's logits of true pairs [B', T, 2] and of mismatched ones [M, 2]."""
        assert self.match is not None
        heard = self.match.hear(f_a)
        found = {"matched": self.match(take(heard, batch.video[batch.rows]), f_v)}
        if f_v_negative is not None and batch.negatives is not None:
            asked = batch.negatives.source_places(f_a.shape[1]).flatten()
            other = take(heard.flatten(0, 1), asked[batch.negatives.pairs // batch.slots])
            found["mismatched"] = self.match(other, f_v_negative)
        return found

    def _ground_time(
        self, f_q: Tensor, f_v: Tensor, f_a: Tensor, video: Tensor, noise: Noise | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return f_av^q [B', D] (Eq. 16) and the weights of both modalities [B', T]."""
        mean_a, mean_v = take(f_a.mean(dim=1), video), f_v.mean(dim=1)
        if self.single is None and self.dual is None:
            return self._fuse(mean_a, mean_v), {}
        visual = run_lstm(self.visual_lstm, f_v)
        audio = take(run_lstm(self.audio_lstm, f_a), video)
        if self.single is not None:
            f_att, w_v, w_a = self.single(f_q, visual, audio, noise)
            return f_att + self._fuse(mean_a, mean_v), {"visual": w_v, "audio": w_a}  # Eq. 16
        assert self.dual is not None
        seen, heard, w_v, w_a = self.dual(f_q, visual, audio, noise)
        return self._fuse(heard + mean_a, seen + mean_v), {"visual": w_v, "audio": w_a}

    def _fuse(self, audio: Tensor, visual: Tensor) -> Tensor:
        """The MLP of Eq. 16 on the average of both streams, kept apart by modality."""
        fused: Tensor = self.fusion(torch.tanh(torch.cat([audio, visual], dim=-1)))
        return fused


def _other_queries(negatives: Negatives, f_a: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return audio [U', T, 1, D] and targets [U', T, 1, K, D] that look into another's frames."""
    asked = negatives.source_places(f_a.shape[1])
    audio = take(f_a.flatten(0, 1), asked.flatten())
    target = take(targets, negatives.source_video.flatten())
    return audio.unflatten(0, asked.shape).unsqueeze(2), target.unflatten(0, asked.shape).unsqueeze(
        2
    )


def _spatial(model: TassModel) -> SpatialGrounding | None:
    if not model.spatial_grounding:
        return None
    merge: Merged = "none"
    if model.target_aware:
        merge = "add" if model.merge == "auto" else model.merge
    return SpatialGrounding(model.width, tau=model.tau, merge=merge)


def _single(model: TassModel, shapes: Shapes) -> SingleStream | None:
    if not model.temporal_grounding or model.structure != "single":
        return None
    return SingleStream(
        model.width,
        model.heads,
        shapes.segments,
        ordering=model.ordering,
        position=model.position,
        attention_dropout=model.attention_dropout,
        dropout=model.dropout,
    )


def _dual(model: TassModel) -> DualStream | None:
    if not model.temporal_grounding or model.structure != "dual":
        return None
    return DualStream(
        model.width,
        model.heads,
        attention_dropout=model.attention_dropout,
        dropout=model.dropout,
    )
