"""TASS, the target-aware single-stream network, in the order of the paper's section 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.config import LossConfig, ModelConfig, TrialConfig
from tass_core.systems.blocks.lstm import run_lstm
from tass_core.systems.blocks.match import match_head
from tass_core.systems.blocks.question import ClipQuestion, GloveQuestion
from tass_core.systems.blocks.rows import take
from tass_core.systems.matmuls import Linear
from tass_core.systems.protocol import Batch, Negatives, Output, Shapes
from tass_core.systems.tass.spatial import Merged, SpatialGrounding
from tass_core.systems.tass.temporal import DualStream, SingleStream


class TASS(nn.Module):
    """The network and every variant of it in the paper's tables.

    Args:
        config: the trial's config; ``model`` decides the network, ``loss`` whether the match
            task's layers (Eq. 7) are part of it.
        shapes: the dataset's shapes, from ``Dataset.shapes(config)``.
        vectors: [vocabulary, C_w] pretrained word vectors, whose width the GloVe encoder's
            embedding takes; None gives it the network's width.
    """

    def __init__(self, config: TrialConfig, shapes: Shapes, vectors: Tensor | None = None) -> None:
        super().__init__()
        model, width = config.canonical().model, config.model.width
        self.vector_width = None if vectors is None else vectors.shape[-1]
        # Section 3.2: input embeddings; the encoders before them are frozen.
        self.project_visual = _visual_projection(model, shapes)
        self.project_audio = nn.Sequential(
            Linear(shapes.audio, width), nn.ReLU(), Linear(width, width)
        )
        self.question = _question(model, shapes, vectors)
        # Section 3.3: TSG+, or a layer on the mean of the map.
        self.spatial = _spatial(model)
        self.pooled = None if model.spatial_grounding else Linear(width, width)
        self.match = match_head(width) if uses_match(config.model, config.loss) else None
        # Section 3.4: JTG.
        self.single = _single(model, shapes)
        self.dual = _dual(model)
        if model.temporal_grounding:
            self.visual_lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
            self.audio_lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)
        self.fusion = Linear(2 * width, width)
        # Section 3.5: answer prediction.
        self.classify = Linear(width, shapes.answers)

    def forward(self, batch: Batch, *, noise: Tensor | None = None, match: bool = False) -> Output:
        """Answer the owned questions of a batch.

        Args:
            batch: questions, videos and, for the match task, negatives.
            noise: [] int64 key of this step's dropout masks; None evaluates.
            match: whether to compute the match logits (Eq. 7).
        """
        rows, video = batch.rows, batch.video[batch.rows]
        negatives = batch.negatives if match and self.match is not None else None
        f_q, f_tgt = self.question(batch)
        f_a = self.project_audio(batch.audio)
        f_v, spatial_weights, f_v_negative = self._ground_space(batch, f_a, f_tgt, negatives)
        fused, visual_weights, audio_weights = self._ground_time(
            f_q[rows], f_v, f_a, video, noise, rows
        )
        e = fused * f_q[rows]  # Eq. 20
        matched = mismatched = None
        if match and self.match is not None:
            matched = self.match(torch.cat([take(f_a, video), f_v], dim=-1))  # Eq. 7
        if negatives is not None and self.match is not None:
            asked = negatives.source_places(f_a.shape[1]).flatten()
            heard = take(f_a.flatten(0, 1), asked[negatives.pairs // batch.slots])
            pairs = torch.cat([heard, f_v_negative], dim=-1)
            mismatched = self.match(pairs)
        return Output(
            logits=self.classify(torch.tanh(e)),
            spatial_weights=spatial_weights,
            visual_weights=visual_weights,
            audio_weights=audio_weights,
            matched=matched,
            mismatched=mismatched,
        )

    def _ground_space(
        self, batch: Batch, f_a: Tensor, f_tgt: Tensor, negatives: Negatives | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return f_v [B', T, D], its weights [B', T, P] and the negatives' f_v [M, D]."""
        video, slot = batch.video[batch.rows] - batch.first_video, batch.slot[batch.rows]
        if self.spatial is None:
            assert self.pooled is not None
            f_v = self.pooled(self.project_visual(batch.visual.mean(dim=-2)))
            return take(f_v, video), None, f_v.new_empty(0, f_v.shape[-1])
        owned = slice(batch.first_video, batch.first_video + len(batch.visual))
        empty = f_tgt.new_zeros(len(batch.audio), batch.slots, f_tgt.shape[-1])
        targets = empty.index_put((batch.video, batch.slot), f_tgt)
        audio = f_a[owned].unsqueeze(2)
        target = targets[owned, None, None].expand(-1, f_a.shape[1], -1, -1, -1)
        maps, elsewhere = self.project_visual(batch.visual), None
        if negatives is not None:
            asked = negatives.source_places(f_a.shape[1])
            other_audio = take(f_a.flatten(0, 1), asked.flatten())
            other_audio = other_audio.unflatten(0, asked.shape).unsqueeze(2)
            other_target = take(targets, negatives.source_video.flatten())
            other_target = other_target.unflatten(0, asked.shape).unsqueeze(2)
            if negatives.visual is not None:
                frames = self.project_visual(negatives.visual)
                elsewhere = self.spatial(frames, other_audio, other_target)
            else:
                audio = torch.cat([audio, other_audio], dim=2)
                target = torch.cat([target, other_target], dim=2)
        f_vg, f_vi, weights = self.spatial(maps, audio, target)
        seen = f_vi[:, :, 0].transpose(1, 2).flatten(0, 1)
        f_v = self.spatial.represent(take(f_vg, video), take(seen, video * batch.slots + slot))
        if negatives is None:
            return f_v, weights[video, :, 0, slot], f_v.new_empty(0, f_v.shape[-1])
        if elsewhere is not None:
            f_vg, f_vi, _ = elsewhere
        f_v_negative = self.spatial.represent(
            take(f_vg.flatten(0, 1), negatives.pairs // batch.slots),
            take(f_vi[:, :, -1].flatten(0, 2), negatives.pairs),
        )
        return f_v, weights[video, :, 0, slot], f_v_negative

    def _ground_time(
        self,
        f_q: Tensor,
        f_v: Tensor,
        f_a: Tensor,
        video: Tensor,
        noise: Tensor | None,
        rows: Tensor,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return f_av^q [B', D] (Eq. 16) and the weights of both modalities [B', T]."""
        mean_a, mean_v = take(f_a.mean(dim=1), video), f_v.mean(dim=1)
        if self.single is None and self.dual is None:
            return self._fuse(mean_a, mean_v), None, None
        visual = run_lstm(self.visual_lstm, f_v)
        audio = take(run_lstm(self.audio_lstm, f_a), video)
        if self.single is not None:
            f_att, w_v, w_a = self.single(f_q, visual, audio, noise, rows)
            return f_att + self._fuse(mean_a, mean_v), w_v, w_a  # Eq. 16
        assert self.dual is not None
        seen, heard, w_v, w_a = self.dual(f_q, visual, audio, noise, rows)
        return self._fuse(heard + mean_a, seen + mean_v), w_v, w_a

    def _fuse(self, audio: Tensor, visual: Tensor) -> Tensor:
        """The MLP of Eq. 16 on the average of both streams, kept apart by modality."""
        fused: Tensor = self.fusion(torch.tanh(torch.cat([audio, visual], dim=-1)))
        return fused


def uses_match(model: ModelConfig, loss: LossConfig) -> bool:
    """Whether L_s takes part in training (Table 2: not without L_s, nor without TSG+)."""
    return model.spatial_grounding and loss.match and loss.lambda_s > 0


def parameter_counts(model: nn.Module) -> dict[str, int]:
    """Return the trainable parameters of every direct submodule and their ``total``."""
    counts = {
        name: sum(parameter.numel() for parameter in child.parameters() if parameter.requires_grad)
        for name, child in model.named_children()
    }
    return counts | {"total": sum(counts.values())}


def _question(
    model: ModelConfig, shapes: Shapes, vectors: Tensor | None
) -> ClipQuestion | GloveQuestion:
    if model.encoder == "clip":
        return ClipQuestion(shapes.text, model.width, model.target)
    return GloveQuestion(shapes.vocabulary, model.width, model.target, vectors)


def _visual_projection(model: ModelConfig, shapes: Shapes) -> nn.Module:
    """CLIP's map goes through a linear layer (section 4.1); ResNet-18's 512 channels fit."""
    if model.encoder == "resnet18-glove" and shapes.visual == model.width:
        return nn.Identity()
    return Linear(shapes.visual, model.width)


def _spatial(model: ModelConfig) -> SpatialGrounding | None:
    if not model.spatial_grounding:
        return None
    merge: Merged = "none"
    if model.target_aware:
        merge = "add" if model.merge == "auto" else model.merge
    return SpatialGrounding(model.width, tau=model.tau, merge=merge)


def _single(model: ModelConfig, shapes: Shapes) -> SingleStream | None:
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


def _dual(model: ModelConfig) -> DualStream | None:
    if not model.temporal_grounding or model.structure != "dual":
        return None
    return DualStream(
        model.width,
        model.heads,
        attention_dropout=model.attention_dropout,
        dropout=model.dropout,
    )
