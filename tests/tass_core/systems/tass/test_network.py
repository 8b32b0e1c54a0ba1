"""The network and its variants."""

import itertools
import math

import pytest
import torch

from tass_core.batches.example import example_batch, example_shapes
from tass_core.config import TrialConfig
from tass_core.randomness import initialise, noise_key
from tass_core.systems import build_network, parameter_counts
from tass_core.systems.protocol import Noise, Shapes
from tass_core.systems.tass import TASS
from tass_core.systems.tass.config import ORDERINGS
from tass_core.systems.tass.spatial import target_aware_attention

SMALL = TrialConfig().with_values({"model.width": 16, "model.heads": 2})
SHAPES = example_shapes(SMALL.needs())


def make_batch(videos=(0, 1, 1, 2)):
    return example_batch(SMALL.needs(), SHAPES, videos, dtype=torch.float32)


def network(config, seed=0, shapes=SHAPES):
    model = build_network(config, shapes)
    initialise(model, seed)
    return model


def noise(batch, *place):
    return Noise(noise_key(*(place or (0, 1, 0))), batch.rows)


def gradients(config, batch, seed=0):
    model = network(config, seed)
    terms = TASS.losses(model(batch, noise(batch)), batch, config.model, config.loss, "train")
    sum(term.weight * term.total / term.count for term in terms.values()).backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_a_question_is_answered_alike_alone_and_beside_others_on_its_video():
    model = network(SMALL)
    together = make_batch()
    output = model(together)
    for question, video in enumerate((0, 1, 1, 2)):
        alone = make_batch((0,))
        alone = type(alone)(
            **{
                **{name: getattr(alone, name) for name in alone.__slots__},
                "visual": together.visual[video : video + 1],
                "audio": together.audio[video : video + 1],
                "sentence": together.sentence[question : question + 1],
            }
        )
        single = model(alone)
        torch.testing.assert_close(single.logits[0], output.logits[question])
        torch.testing.assert_close(single.spatial[0], output.spatial[question])


def test_spatial_weights_of_the_network_are_those_of_the_public_function():
    model, batch = network(SMALL), make_batch()
    output = model(batch)
    maps = model.project_visual(batch.visual)[batch.video]
    audio = model.project_audio(batch.audio)[batch.video]
    target = model.question.project(batch.sentence)[:, None].expand_as(audio)
    want = target_aware_attention(maps, audio, target, tau=0.025, merge="add")
    torch.testing.assert_close(output.spatial, want)


def test_negatives_pair_a_questions_audio_and_target_with_another_videos_frame():
    model, batch = network(SMALL), make_batch()
    output = model(batch, noise(batch))
    negatives = batch.negatives
    audio = model.project_audio(batch.audio)
    maps = model.project_visual(batch.visual)
    target = model.question.project(batch.sentence)
    want = []
    for video in range(3):
        for time in range(SHAPES.segments):
            source = int(negatives.source_video[video, time])
            moment = int(negatives.source_time[video, time])
            for question in range(4):
                if batch.video[question] != source:
                    continue
                heard = audio[source, moment]
                part, f_vi, _ = model.spatial(
                    maps[video, time], heard[None], target[question][None, None]
                )
                frame = model.spatial.represent(part, f_vi[0, 0])
                values = torch.cat([heard, frame])
                for layer in model.match:
                    values = layer(values)
                want.append(values)
                assert source != video
    got = output.extra["mismatched"]
    got = got[got[:, 0].argsort()]
    want = torch.stack(want)
    torch.testing.assert_close(got, want[want[:, 0].argsort()])


@pytest.mark.parametrize("structure", ["single", "dual"])
def test_temporal_weights_sum_to_1(structure):
    output = network(SMALL.replace("model.structure", structure))(make_batch())
    total = sum(weights.sum(-1) for weights in output.temporal.values())
    expected = 1.0 if structure == "single" else 2.0
    torch.testing.assert_close(total, torch.full((4,), expected))


def test_the_four_orderings_are_four_functions_with_positions():
    batch = make_batch()
    for position in ("sinusoidal", "learned"):
        config = SMALL.replace("model.position", position)
        logits = [network(config.replace("model.ordering", o))(batch).logits for o in ORDERINGS]
        for one, other in itertools.combinations(logits, 2):
            assert not torch.allclose(one, other, atol=1e-5)


def test_dropout_falls_on_the_same_segments_in_every_ordering():
    batch = make_batch()
    config = SMALL.with_values({"model.position": "learned", "model.attention_dropout": 0.5})
    outputs = []
    for ordering in ORDERINGS:
        model = network(config.replace("model.ordering", ordering)).train()
        torch.nn.init.zeros_(model.single.learned.weight)
        outputs.append(model(batch, noise(batch)))
    for other in outputs[1:]:
        assert torch.equal(outputs[0].logits, other.logits)


def test_lambda_0_has_exactly_the_gradients_of_no_match_loss():
    batch = make_batch()
    zero = gradients(SMALL.replace("loss.lambda_s", 0.0), batch)
    without = gradients(SMALL.replace("loss.match", False), batch)
    assert zero.keys() == without.keys()
    assert all(torch.equal(zero[name], without[name]) for name in zero)


def test_removing_a_module_leaves_the_initial_weights_of_the_others():
    full = network(SMALL, seed=5).state_dict()
    for change in ("model.spatial_grounding", "model.temporal_grounding", "loss.match"):
        rest = network(SMALL.replace(change, False), seed=5).state_dict()
        shared = [name for name in rest if name in full]
        assert len(shared) > 5
        assert all(torch.equal(rest[name], full[name]) for name in shared)


def test_dropout_masks_depend_on_the_key_alone():
    model, batch = network(SMALL), make_batch()
    one, again = (model(batch, noise(batch, 0, 1, 2)).logits for _ in range(2))
    other = model(batch, noise(batch, 0, 1, 3)).logits
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_attention_on_the_map_is_audio_alone_without_target_awareness():
    model, batch = network(SMALL.replace("model.target_aware", False)), make_batch()
    output = model(batch)
    maps = torch.nn.functional.normalize(model.project_visual(batch.visual), dim=-1)
    audio = torch.nn.functional.normalize(model.project_audio(batch.audio), dim=-1)
    want = (maps @ audio.unsqueeze(-1)).squeeze(-1).softmax(-1)[batch.video]
    torch.testing.assert_close(output.spatial, want)


PAPER = Shapes(
    segments=10, regions=49, visual=2048, audio=128, text=512, words=0, vocabulary=0, answers=42
)


def linear(inputs, outputs):
    return inputs * outputs + outputs


def test_trainable_parameters_of_every_submodule_at_the_papers_shapes():
    d = 512
    lstm = 2 * (4 * (d // 2) * (d + d // 2) + 2 * 4 * (d // 2))
    attention = 4 * linear(d, d) + 2 * linear(d, d) + 2 * d
    match = linear(2 * d, d) + linear(d, 256) + linear(256, 128) + linear(128, 2)
    want = {
        "project_visual": linear(2048, d),
        "project_audio": linear(128, d) + linear(d, d),
        "question": linear(512, d),
        "spatial": linear(2 * d, d),
        "match": match,
        "single": attention,
        "visual_lstm": lstm,
        "audio_lstm": lstm,
        "fusion": linear(2 * d, d),
        "classify": linear(d, 42),
    }
    single = parameter_counts(network(TrialConfig(), shapes=PAPER))
    assert {name: single[name] for name in want} == want
    assert single["total"] == sum(want.values())
    dual = parameter_counts(network(TrialConfig().replace("model.structure", "dual"), shapes=PAPER))
    assert dual["total"] - single["total"] == attention == 1_576_960


def test_tau_acts_only_between_the_values_of_s_q():
    batch = make_batch()
    base = SMALL.replace("model.tau", 0.0)
    output = network(base)(batch)
    floor = math.exp(-1) / (math.exp(-1) + (SHAPES.regions - 1) * math.exp(1))
    same = network(base.replace("model.tau", floor))(batch)
    above = network(base.replace("model.tau", 0.999))(batch)
    assert torch.equal(output.logits, same.logits)
    assert not torch.equal(output.logits, above.logits)
