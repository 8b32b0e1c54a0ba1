"""TSG+, the target-aware spatial grounding of section 3.3 (Eq. 2-5)."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.systems.matmuls import Linear

Merged = Literal["add", "mul", "max", "none"]
MERGES: tuple[Merged, ...] = get_args(Merged)


def target_aware_attention(
    visual: Tensor, audio: Tensor, target: Tensor, *, tau: float | Tensor, merge: Merged
) -> Tensor:
    """Return the weights of a frame's regions (the softmax of Eq. 2).

    The three inputs are L2-normalised here, so that scores are cosines: at temperature 1 no
    s_q then falls below 0.0028 on 49 regions, which is why Table 5 has equal rows for
    τ = 0 and τ = 0.005.

    Args:
        visual: [..., P, D] region features.
        audio: [..., D] audio feature of the same segment.
        target: [..., D] feature of what the question asks about.
        tau: threshold τ of Eq. 5.
        merge: ``add``, ``mul`` or ``max`` of Table 4, or ``none`` for audio alone.

    Returns:
        [..., P], every row summing to 1.
    """
    regions = functional.normalize(visual, dim=-1)
    queries = functional.normalize(torch.stack([audio, target], dim=-2), dim=-1)
    scores = queries @ regions.transpose(-1, -2)
    return merge_attention(scores[..., 0, :], scores[..., 1, :], tau=tau, merge=merge)


def merge_attention(
    audio_scores: Tensor, target_scores: Tensor, *, tau: float | Tensor, merge: Merged | Tensor
) -> Tensor:
    """Turn two maps of scores into one map of weights (Eq. 2-5 and Table 4).

    ``max`` uses the thresholded s_q as the other two do; the paper leaves this open. Without
    a target the audio's softmax is applied directly, the traditional audio-only grounding.

    Args:
        audio_scores: [..., P] similarity of audio and regions.
        target_scores: [..., P] similarity of target and regions; broadcasts with the former.
        tau: threshold τ.
        merge: how s_a and s_q meet; as a tensor [] its place in ``MERGES``, which members
            trained together do not share.

    Returns:
        [..., P], every row summing to 1.
    """
    if isinstance(merge, Tensor):
        ways = [merge_attention(audio_scores, target_scores, tau=tau, merge=m) for m in MERGES]
        return torch.stack(ways).index_select(0, merge.reshape(1)).squeeze(0)
    s_a = audio_scores.softmax(dim=-1)  # Eq. 3
    if merge == "none":
        return s_a.expand(torch.broadcast_shapes(s_a.shape, target_scores.shape))
    s_q = target_scores.softmax(dim=-1)  # Eq. 4
    s_q = torch.where(s_q >= tau, s_q, torch.zeros_like(s_q))  # Eq. 5
    if merge == "add":
        return (s_a + s_q).softmax(dim=-1)  # Eq. 2
    if merge == "mul":
        return (s_a * s_q).softmax(dim=-1)
    return torch.maximum(s_a, s_q).softmax(dim=-1)


class SpatialGrounding(nn.Module):
    """TSG+: attend to the sounding target in every frame and add the frame's mean.

    The projected map is read twice, by two batched products, however many questions and
    negatives look at it. No normalised copy of it is made: scores and weights are divided by
    the regions' norms instead.
    """

    def __init__(self, width: int, *, tau: float, merge: Merged) -> None:
        super().__init__()
        self.tau = tau
        self.merge: Merged = merge
        self.combine = Linear(2 * width, width)

    def forward(self, maps: Tensor, audio: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let G groups of queries look at every frame; a group has one audio and K targets.

        Args:
            maps: [..., P, D] projected region features.
            audio: [..., G, D] audio features.
            target: [..., G, K, D] target features.

        Returns:
            f_vg [..., D], f_vi [..., G, K, D] and the attention weights [..., G, K, P].
        """
        groups, slots = target.shape[-3:-1]
        queries = torch.cat([audio.unsqueeze(-2), target], dim=-2).flatten(-3, -2)
        scores, inverse_norms = region_scores(maps, functional.normalize(queries, dim=-1))
        scores = scores.unflatten(-2, (groups, 1 + slots))
        weights = merge_attention(
            scores[..., :1, :], scores[..., 1:, :], tau=self.tau, merge=self.merge
        )
        mean_row = torch.full_like(inverse_norms, 1.0 / maps.shape[-2]).unsqueeze(-2)
        rows = weights.flatten(-3, -2) * inverse_norms.unsqueeze(-2)
        pooled = pool_regions(maps, torch.cat([mean_row, rows], dim=-2))
        f_vi = pooled[..., 1:, :].unflatten(-2, (groups, slots))  # Eq. 2
        return pooled[..., 0, :], f_vi, weights

    def represent(self, f_vg: Tensor, f_vi: Tensor) -> Tensor:
        """Return f_v = FC(tanh[f_vg; f_vi]): [..., D] from two [..., D]."""
        f_v: Tensor = self.combine(torch.tanh(torch.cat([f_vg, f_vi], dim=-1)))
        return f_v


def region_scores(maps: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines of queries and regions, and the inverse norms of the regions.

    Args:
        maps: [..., P, D].
        queries: [..., N, D] of length 1.

    Returns:
        [..., N, P] and [..., P].
    """
    found: tuple[Tensor, Tensor] = _RegionScores.apply(maps, queries)  # type: ignore[no-untyped-call]
    return found


class _RegionScores(torch.autograd.Function):
    """Cosines whose gradient passes over the map once instead of five times.

    The map is by far the largest tensor of a step. Autograd would form the gradients of the
    product and of the norms apart, each as large as the map, and add them up.
    """

    @staticmethod
    def forward(maps: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        exact = torch.promote_types(maps.dtype, torch.float32)
        norms = torch.linalg.vector_norm(maps, dim=-1, dtype=exact)
        inverse_norms = norms.clamp_min(1e-12).reciprocal()
        return _products(maps, queries) * inverse_norms.unsqueeze(-2), inverse_norms

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]
    ) -> None:
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(
        ctx: Any, grad_scores: Tensor, grad_inverse: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        maps, queries, scores, inverse_norms = ctx.saved_tensors
        grad_products = (grad_scores * inverse_norms.unsqueeze(-2)).to(maps.dtype)
        grad_queries = grad_products @ maps
        if not ctx.needs_input_grad[0]:
            return None, grad_queries
        # The scores are proportional to r = 1 / |m|, and dr / dm = -r³ m.
        through_norm = (grad_scores * scores).sum(dim=-2) + inverse_norms * grad_inverse
        coefficient = (inverse_norms.square() * through_norm).unsqueeze(-1)
        grad_maps = grad_products.transpose(-1, -2) @ queries.to(maps.dtype)
        return grad_maps.addcmul_(maps, coefficient, value=-1.0), grad_queries

    @staticmethod
    def vmap(
        _info: Any, in_dims: tuple[int | None, int | None], maps: Tensor, queries: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int | None]]:
        """Score all members' queries; on a map that they share, in one product."""
        maps, queries, shared = _by_member(in_dims, maps, queries)
        if not shared:
            return region_scores(maps, queries), (0, 0)
        scores, inverse_norms = region_scores(maps, _side_by_side(queries))
        return (_apart(scores, len(queries)), inverse_norms), (0, None)


def pool_regions(maps: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sums of the regions: [..., N, D] for maps [..., P, D], [..., N, P]."""
    pooled: Tensor = _RegionSums.apply(maps, weights)  # type: ignore[no-untyped-call]
    return pooled


class _RegionSums(torch.autograd.Function):
    """A product with the map that members who share the map take together."""

    @staticmethod
    def forward(maps: Tensor, weights: Tensor) -> Tensor:
        return weights @ maps

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        # Under autocast the product ran in bf16, whatever its inputs were.
        maps, weights = (saved.to(grad.dtype) for saved in ctx.saved_tensors)
        grad_maps = weights.transpose(-1, -2) @ grad if ctx.needs_input_grad[0] else None
        grad_weights = _products(maps, grad) if ctx.needs_input_grad[1] else None
        return grad_maps, grad_weights

    @staticmethod
    def vmap(
        _info: Any, in_dims: tuple[int | None, int | None], maps: Tensor, weights: Tensor
    ) -> tuple[Tensor, int]:
        maps, weights, shared = _by_member(in_dims, maps, weights)
        if not shared:
            return pool_regions(maps, weights), 0
        return _apart(pool_regions(maps, _side_by_side(weights)), len(weights)), 0


def _products(maps: Tensor, rows: Tensor) -> Tensor:
    """Return [..., N, P] of maps [..., P, D] and rows [..., N, D].

    CPUs are up to twice as fast with the large factor first.
    """
    return (maps @ rows.transpose(-1, -2)).transpose(-1, -2).contiguous()


def _by_member(
    in_dims: tuple[int | None, int | None], maps: Tensor, rows: Tensor
) -> tuple[Tensor, Tensor, bool]:
    """Return maps and rows with members first, and whether the members share the map."""
    if in_dims[0] is not None:
        maps = maps.movedim(in_dims[0], 0)
    rows = (
        rows.expand(len(maps), *rows.shape) if in_dims[1] is None else rows.movedim(in_dims[1], 0)
    )
    return maps, rows, in_dims[0] is None


def _side_by_side(rows: Tensor) -> Tensor:
    """[E, ..., N, X] -> [..., E * N, X]."""
    return rows.movedim(0, -3).flatten(-3, -2)


def _apart(rows: Tensor, members: int) -> Tensor:
    """[..., E * N, X] -> [E, ..., N, X]."""
    apart: Tensor = rows.unflatten(-2, (members, -1))
    return apart.movedim(-3, 0)
