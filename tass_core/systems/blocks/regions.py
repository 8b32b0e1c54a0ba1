"""Cosines with the regions of a map, and weighted sums of them, in few passes over the map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tass_core.systems.protocol import Shapes


def region_projection(encoder: str, shapes: Shapes, width: int) -> nn.Module:
    """Return a linear layer on CLIP's channels; ResNet-18's 512 need none where they fit."""
    if encoder == "resnet18-glove" and shapes.visual == width:
        return nn.Identity()
    return nn.Linear(shapes.visual, width)


def mean_and_attended(maps: Tensor, weights: Tensor, inverse_norms: Tensor) -> Tensor:
    """Return the mean of the regions, then the weighted sums of the regions at length 1.

    Args:
        maps: [..., P, D].
        weights: [..., N, P].
        inverse_norms: [..., P] of the regions, from ``region_scores``.

    Returns:
        [..., 1 + N, D].
    """
    mean_row = torch.full_like(inverse_norms, 1.0 / maps.shape[-2]).unsqueeze(-2)
    rows = weights * inverse_norms.unsqueeze(-2)
    return pool_regions(maps, torch.cat([mean_row, rows], dim=-2))


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
