"""The public code's weights of AVST under our names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

LINEAR = {
    "project_audio.0": "fc_a1",
    "project_audio.2": "fc_a2",
    "ground": "fc_gl",
    "match.0": "fc1",
    "match.2": "fc2",
    "match.4": "fc3",
    "match.6": "fc4",
    "fusion": "fc_fusion",
    "classify": "fc_ans",
    "question.project": "question_encoder.fc",
    "visual.feed_in": "linear11",
    "visual.feed_out": "linear12",
    "visual.norm": "norm1",
    "visual.output": "attn_v.out_proj",
    "audio.feed_in": "linear21",
    "audio.feed_out": "linear22",
    "audio.norm": "norm2",
    "audio.output": "attn_a.out_proj",
}
"""Our layer -> the public one, with a weight and a bias each."""
LSTM = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def read_released(public: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights by our names; layers that the public code never uses are left out.

    Args:
        public: the state of the public code's network, also as it is saved from several devices.

    Raises:
        KeyError: a weight is missing.
    """
    named = {name.removeprefix("module."): tensor for name, tensor in public.items()}
    return dict(_renamed(named))


def _renamed(named: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    yield "question.embedding.weight", named["question_encoder.word2vec.weight"]
    for part in LSTM:
        yield f"question.lstm.{part}", named[f"question_encoder.lstm.{part}"]
    for ours, theirs in LINEAR.items():
        for part in ("weight", "bias"):
            yield f"{ours}.{part}", named[f"{theirs}.{part}"]
    for ours, theirs in (("visual", "attn_v"), ("audio", "attn_a")):
        for part in ("weight", "bias"):
            rows = named[f"{theirs}.in_proj_{part}"].chunk(3)
            for layer, tensor in zip(("query", "key", "value"), rows, strict=True):
                yield f"{ours}.{layer}.{part}", tensor
