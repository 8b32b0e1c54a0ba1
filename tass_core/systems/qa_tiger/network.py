"""QA-TIGER: question-aware fusion, regions of every second, Gaussian experts, reasoning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tass_core.randomness import KeyedDropout
from tass_core.systems.blocks.attention import Attention
from tass_core.systems.blocks.fusion import FusionLayer
from tass_core.systems.blocks.rows import again, of_videos, take
from tass_core.systems.blocks.words import SentenceAndWords, mean_frames
from tass_core.systems.protocol import Batch, Noise, Output, Shapes
from tass_core.systems.qa_tiger import TigerModel
from tass_core.systems.qa_tiger.experts import Bottleneck, Experts


class Network(nn.Module):
    """The network."""

    def __init__(self, model: TigerModel, shapes: Shapes) -> None:
        super().__init__()
        width, sizes = model.width, (model.width, model.heads, model.dropout)
        self.asked = SentenceAndWords(model.encoder, shapes, width)
        self.project_audio = nn.Linear(shapes.audio, width)
        self.project_frame = nn.Linear(shapes.visual, width)
        self.project_region = nn.Linear(shapes.visual, width)
        self.fuse = FusionLayer(*sizes, "fuse", hidden=width, others=2)
        self.patches = Patches(model)
        self.audio_experts = Experts(model, shapes.segments, 1, "audio")
        self.visual_experts = Experts(model, shapes.segments, 2, "visual")
        self.reason = Reasoning(model)
        self.classify = nn.Linear(width, shapes.answers)

    def forward(self, batch: Batch, noise: Noise | None = None) -> Output:
        """Answer the owned questions of a batch."""
        assert batch.visual is not None
        video = batch.video[batch.rows]
        mine = video - batch.first_video
        question, words, padding = self.asked(batch)
        audio = take(self.project_audio(batch.audio), video)  # [B', T, D]
        frames = take(self.project_frame(mean_frames(batch)), mine)
        asked = (words, padding)
        a = self.fuse(audio, noise, others=[(frames, None), asked])
        v = self.fuse(frames, again(noise, 1), others=[(audio, None), asked])
        regions = self.patches.mix(self.project_region(batch.visual), of_videos(batch, noise))
        p_v, p_a, spatial = self.patches(v, a, take(regions, mine), noise)
        (u_a,), w_a = self.audio_experts(question, a, [a], noise)
        (u_pa, u_pv), w_v = self.visual_experts(question, v, [v + p_a, v + p_v], noise)
        f_v = self.reason(question, [u_pa, u_pv], noise)
        f_av = self.reason(question, [f_v, u_a], again(noise, 1))
        logits = self.classify(torch.relu(f_av))
        features = {"question": question, "audio": audio.mean(dim=1), "visual": frames.mean(dim=1)}
        return Output(logits, spatial, {"audio": w_a, "visual": w_v}, features=features)


class Patches(nn.Module):
    """Regions that attend to each other, and what frame and sound of their second see in them."""

    def __init__(self, model: TigerModel) -> None:
        super().__init__()
        sizes = (model.width, model.heads, model.dropout)
        self.own = Attention(*sizes, "patches.own")
        self.look = Attention(*sizes, "patches.look")
        self.drop = KeyedDropout(model.dropout, "patches.looked")
        self.feed = Bottleneck(model.width)
        self.norm_visual, self.norm_audio = nn.LayerNorm(model.width), nn.LayerNorm(model.width)

    def mix(self, regions: Tensor, noise: Noise | None) -> Tensor:
        """Return [U', T, P, D] after self-attention within every frame."""
        found: Tensor = regions + self.own(regions, regions, noise)[0]
        return found

    def forward(
        self, frames: Tensor, sounds: Tensor, regions: Tensor, noise: Noise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return p_v and p_a [B, T, D], and the frame's weights over its regions [B, T, P].

        Args:
            frames: [B, T, D].
            sounds: [B, T, D].
            regions: [B, T, P, D].
            noise: of training.
        """
        queries = torch.stack([frames, sounds], dim=-2)
        looked, weights = self.look(queries, regions, noise)
        seen, heard = self.feed(self.drop(looked, noise)).unbind(dim=-2)
        return self.norm_visual(seen), self.norm_audio(heard), weights.mean(dim=-3)[..., 0, :]


class Reasoning(nn.Module):
    """F(q; u) = LN(mean u + drop MLP(MHA(q; u)))."""

    def __init__(self, model: TigerModel) -> None:
        super().__init__()
        self.attend = Attention(model.width, model.heads, model.dropout, "reason")
        self.feed = Bottleneck(model.width)
        self.drop = KeyedDropout(model.dropout, "reason.feed")
        self.norm = nn.LayerNorm(model.width)

    def forward(self, question: Tensor, parts: list[Tensor], noise: Noise | None) -> Tensor:
        """Return [B, D] of a question [B, D] and parts [B, D]."""
        u = torch.stack(parts, dim=1)
        attended = self.attend(question.unsqueeze(1), u, noise)[0].squeeze(1)
        found: Tensor = self.norm(u.mean(dim=1) + self.drop(self.feed(attended), noise))
        return found
