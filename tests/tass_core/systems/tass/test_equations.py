"""The paper's equations against float64 NumPy, written from the paper and not from the code."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tass_core.batches.example import example_batch, example_shapes
from tass_core.config import TrialConfig
from tass_core.systems.blocks.attention import QuestionAttention
from tass_core.systems.blocks.match import answer_term, match_loss
from tass_core.systems.blocks.regions import region_scores
from tass_core.systems.protocol import Output
from tass_core.systems.tass.losses import (
    cross_modal_synchrony,
    legacy_synchrony,
    renormalise,
)
from tass_core.systems.tass.spatial import SpatialGrounding, target_aware_attention
from tass_core.systems.tass.temporal import places


def softmax(values):
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def attention_by_hand(visual, audio, target, tau, merge):
    """Eq. 2-5 for one frame: visual [P, D], audio and target [D]."""
    s_a = softmax(unit(visual) @ unit(audio))
    s_q = softmax(unit(visual) @ unit(target))
    s_hat = np.where(s_q - tau >= 0, s_q, 0.0)
    if merge == "none":
        return s_a
    merged = {"add": s_a + s_hat, "mul": s_a * s_hat, "max": np.maximum(s_a, s_hat)}
    return softmax(merged[merge])


@pytest.mark.parametrize("merge", ["add", "mul", "max", "none"])
@pytest.mark.parametrize("tau", [0.0, 0.02, 0.1])
def test_attention_is_equations_2_to_5(merge, tau):
    rng = np.random.default_rng(3)
    visual, audio, target = rng.normal(size=(3, 4, 49, 16)), None, None
    audio, target = rng.normal(size=(3, 4, 16)), rng.normal(size=(3, 4, 16))
    got = target_aware_attention(
        torch.from_numpy(visual),
        torch.from_numpy(audio),
        torch.from_numpy(target),
        tau=tau,
        merge=merge,
    )
    want = [
        [attention_by_hand(visual[i, j], audio[i, j], target[i, j], tau, merge) for j in range(4)]
        for i in range(3)
    ]
    np.testing.assert_allclose(got.numpy(), np.array(want), atol=1e-12)


@pytest.mark.parametrize("merge", ["add", "mul", "max", "none"])
def test_grounded_feature_is_the_attended_map_and_its_mean(merge):
    torch.manual_seed(0)
    module = SpatialGrounding(8, tau=0.2, merge=merge).double()
    maps, audio = torch.randn(5, 6, 8).double(), torch.randn(5, 2, 8).double()
    target = torch.randn(5, 2, 3, 8).double()
    part, f_vi, weights = module(maps, audio, target)
    f_v = module.represent(part[:, None, None].expand_as(f_vi), f_vi)
    layer, bias = module.combine.weight.detach().numpy(), module.combine.bias.detach().numpy()
    for frame in range(5):
        for group in range(2):
            for slot in range(3):
                regions = maps[frame].numpy()
                w = attention_by_hand(
                    regions,
                    audio[frame, group].numpy(),
                    target[frame, group, slot].numpy(),
                    0.2,
                    merge,
                )
                both = np.concatenate([regions.mean(0), w @ unit(regions)])
                want = layer @ np.tanh(both) + bias
                np.testing.assert_allclose(weights[frame, group, slot].numpy(), w, atol=1e-12)
                np.testing.assert_allclose(
                    f_v[frame, group, slot].detach().numpy(), want, atol=1e-10
                )


def test_the_gradient_of_the_scores_is_the_numerical_one():
    torch.manual_seed(2)
    maps = torch.randn(2, 5, 4).double().requires_grad_()
    queries = torch.nn.functional.normalize(torch.randn(2, 3, 4).double(), dim=-1)
    assert torch.autograd.gradcheck(region_scores, (maps, queries.requires_grad_()))


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def js_by_hand(p, q):
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return 0.5 * kl(p, middle) + 0.5 * kl(q, middle)


def test_synchrony_is_equations_10_to_12():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(7), size=5), rng.dirichlet(np.ones(7), size=5)
    p[0, :3], p[0] = 0.0, p[0] / p[0, 3:].sum()
    got = cross_modal_synchrony(torch.from_numpy(p), torch.from_numpy(q))
    want = [js_by_hand(a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(got.numpy(), want, atol=1e-12)


def test_synchrony_is_ln_2_for_disjoint_weights_and_its_gradient_is_finite():
    p = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    q = torch.tensor([0.0, 0.5, 0.5], requires_grad=True)
    divergence = cross_modal_synchrony(p, q)
    divergence.backward()
    assert divergence.item() == pytest.approx(math.log(2), abs=1e-6)
    assert torch.isfinite(p.grad).all()
    assert torch.isfinite(q.grad).all()


distributions = hnp.arrays(np.float64, 6, elements=st.floats(0, 1, allow_subnormal=False)).filter(
    lambda values: values.sum() > 1e-3
)


@given(distributions, distributions)
def test_synchrony_is_symmetric_and_between_0_and_ln_2(p, q):
    p, q = torch.from_numpy(p / p.sum()), torch.from_numpy(q / q.sum())
    one, other = cross_modal_synchrony(p, q), cross_modal_synchrony(q, p)
    assert one.item() == pytest.approx(other.item(), abs=1e-12)
    assert 0.0 <= one.item() <= math.log(2) + 1e-9


@given(distributions, distributions)
def test_synchrony_is_0_only_for_equal_weights(p, q):
    p, q = torch.from_numpy(p / p.sum()), torch.from_numpy(q / q.sum())
    distance = (p - q).abs().max().item()
    divergence = cross_modal_synchrony(p, q).item()
    assert cross_modal_synchrony(p, p).item() == 0.0
    if distance > 1e-3:
        assert divergence > distance**2 / 16


def test_legacy_synchrony_sees_the_mean_and_not_the_difference():
    middle = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    shift = torch.tensor([0.1, -0.1, 0.0], dtype=torch.float64)
    apart, together = (
        legacy_synchrony(middle + shift, middle - shift),
        legacy_synchrony(middle, middle),
    )
    assert apart.item() == pytest.approx(together.item(), abs=1e-12)
    want = sum(m * math.log(m) - m * m for m in [0.2, 0.3, 0.5])
    assert apart.item() == pytest.approx(want, abs=1e-12)


def test_renormalised_halves_sum_to_1():
    halves = renormalise(torch.tensor([[0.1, 0.3], [0.0, 0.2]]))
    torch.testing.assert_close(halves, torch.tensor([[0.25, 0.75], [0.0, 1.0]]))


def test_match_loss_is_equation_6_over_both_kinds_of_pairs():
    rng = np.random.default_rng(1)
    matched, mismatched = rng.normal(size=(4, 3, 2)), rng.normal(size=(5, 2))
    want = [-math.log(softmax(row)[1]) for row in matched.reshape(-1, 2)]
    want += [-math.log(softmax(row)[0]) for row in mismatched]
    got = match_loss(torch.from_numpy(matched), torch.from_numpy(mismatched))
    assert got.item() == pytest.approx(np.sum(want), abs=1e-12)


def test_answer_loss_is_the_mean_negative_log_probability():
    needs = TrialConfig().needs()
    batch = example_batch(needs, example_shapes(needs), (0, 1, 1, 2))
    logits = np.random.default_rng(2).normal(size=(4, 6))
    answers = batch.answer.tolist()
    want = np.mean([-math.log(softmax(row)[k]) for row, k in zip(logits, answers, strict=True)])
    term = answer_term(Output(torch.from_numpy(logits)), batch)
    assert term.total.item() / term.count == pytest.approx(want, abs=1e-12)
    assert term.weight == 1.0


@pytest.mark.parametrize(
    ("ordering", "want"),
    [
        ("il-va", ["v1", "a1", "v2", "a2"]),
        ("il-av", ["a1", "v1", "a2", "v2"]),
        ("cat-va", ["v1", "v2", "a1", "a2"]),
        ("cat-av", ["a1", "a2", "v1", "v2"]),
    ],
)
def test_segments_have_the_places_that_equation_13_and_table_6_write(ordering, want):
    held = ["v1", "a1", "v2", "a2"]
    assert [held[at] for at in places(2, ordering).argsort()] == want


@given(st.sampled_from(["add", "mul", "max", "none"]), st.floats(0, 1), st.integers(0, 2**31))
def test_attention_sums_to_1(merge, tau, seed):
    rng = np.random.default_rng(seed)
    visual = torch.from_numpy(rng.normal(size=(2, 9, 4)) * 10.0 ** rng.integers(-6, 6))
    audio, target = torch.from_numpy(rng.normal(size=(2, 2, 4)))
    weights = target_aware_attention(visual, audio, target, tau=tau, merge=merge)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, dtype=torch.float64))
    assert (weights >= 0).all()


def test_question_attention_is_equations_14_and_15_with_heads():
    torch.manual_seed(1)
    width, heads, length = 8, 2, 5
    module = QuestionAttention(width, heads, attention_dropout=0.1, dropout=0.2, name="x").double()
    question, stream = torch.randn(1, width).double(), torch.randn(1, length, width).double()
    attended, weights = module(question, stream, None)

    def layer(name, values):
        linear = getattr(module, name)
        return values @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()

    q, s = question[0].numpy(), stream[0].numpy()
    parts, mean = [], np.zeros(length)
    for head in range(heads):
        cut = slice(head * 4, head * 4 + 4)
        w = softmax(layer("query", q)[cut] @ layer("key", s)[:, cut].T / math.sqrt(4))
        parts.append(w @ layer("value", s)[:, cut])
        mean += w / heads
    f_att = layer("output", np.concatenate(parts))
    total = f_att + layer("feed_out", np.maximum(layer("feed_in", f_att), 0))
    normed = (total - total.mean()) / np.sqrt(total.var() + module.norm.eps)
    np.testing.assert_allclose(weights[0].detach().numpy(), mean, atol=1e-12)
    np.testing.assert_allclose(attended[0].detach().numpy(), normed, atol=1e-8)
