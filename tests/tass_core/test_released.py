"""Released weights of AVST: the public layers, computed as published, give our answers."""

import pickle
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from tass_core.batches.example import example_batch
from tass_core.checkpoints import load_checkpoint
from tass_core.errors import CheckpointError
from tass_core.released import import_released
from tests.tass_core.systems.properties import configure

WIDTH = 16
SMALL = {"model.encoder": "resnet18-glove", "model.width": WIDTH}


class Question(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.word2vec = nn.Embedding(words, WIDTH)
        self.lstm = nn.LSTM(WIDTH, WIDTH, 1)
        self.fc = nn.Linear(2 * WIDTH, WIDTH)


class Public(nn.Module):
    """The names and sizes of the public network, and an unused layer of it."""

    def __init__(self, words, answers):
        super().__init__()
        self.fc_a1, self.fc_a2 = nn.Linear(128, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc_gl, self.fc_fusion = nn.Linear(2 * WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(2 * WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH // 2)
        self.fc3, self.fc4 = nn.Linear(WIDTH // 2, WIDTH // 4), nn.Linear(WIDTH // 4, 2)
        self.linear11, self.linear12 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.linear21, self.linear22 = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attn_v, self.attn_a = (nn.MultiheadAttention(WIDTH, 4) for _ in range(2))
        self.fc_ans, self.fc_st = nn.Linear(WIDTH, answers), nn.Linear(WIDTH, WIDTH)
        self.question_encoder = Question(words)

    def answer(self, audio, maps, tokens):
        """One question: audio [T, 128], maps [T, P, D], tokens [N]."""
        asked = self.question_encoder
        embedded = torch.tanh(asked.word2vec(tokens)).unsqueeze(1)
        _, (hidden, cell) = asked.lstm(embedded)
        q = asked.fc(torch.tanh(torch.cat([hidden[0], cell[0]], dim=-1)))
        a = self.fc_a2(torch.relu(self.fc_a1(audio)))
        regions = functional.normalize(maps, dim=-1)
        weights = (regions @ functional.normalize(a, dim=-1).unsqueeze(-1)).squeeze(-1).softmax(-1)
        looked = (weights.unsqueeze(1) @ regions).squeeze(1)
        v = self.fc_gl(torch.tanh(torch.cat([maps.mean(dim=1), looked], dim=-1)))
        u_v = self.attn_v(q, v, v)[0]
        u_v = self.norm1(u_v + self.linear12(torch.relu(self.linear11(u_v))))
        u_a = self.attn_a(q, a, a)[0]
        u_a = self.norm2(u_a + self.linear22(torch.relu(self.linear21(u_a))))
        both = torch.cat([u_a[0] + a.mean(dim=0), u_v[0] + v.mean(dim=0)])
        return self.fc_ans(torch.tanh(self.fc_fusion(torch.tanh(both)) * q[0]))


@pytest.fixture
def setting(tiny, tmp_path):
    """A config of AVST, tiny maps as wide as it, the public network and its file."""
    torch.manual_seed(0)
    config = configure("avst", {**SMALL, "data.t2": 3})
    shapes = replace(tiny.shapes(config), visual=WIDTH)
    public = Public(shapes.vocabulary, shapes.answers)
    torch.save({f"module.{n}": p for n, p in public.state_dict().items()}, tmp_path / "avst.pt")
    return config, shapes, public, tmp_path / "avst.pt"


class Widened:
    """The tiny world, as if its maps were as wide as the network."""

    def __init__(self, dataset, shapes):
        self.dataset, self.own = dataset, shapes

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def shapes(self, _config):
        return self.own


def test_released_weights_answer_as_the_public_code(setting, tiny, tmp_path):
    config, shapes, public, file = setting
    import_released(file, config, Widened(tiny, shapes), tmp_path / "ours")
    model = load_checkpoint(tmp_path / "ours").model.double().eval()
    batch = example_batch(replace(config.needs(), negatives="none"), shapes)
    found, public = model(batch).logits, public.double().eval()
    for row, video in enumerate(batch.video):
        tokens = batch.tokens[row, : batch.word_count[row]]
        want = public.answer(batch.audio[video], batch.visual[video], tokens)
        torch.testing.assert_close(found[row], want)


def test_a_file_that_lacks_a_layer_or_is_of_other_shapes_is_refused(setting, tiny, tmp_path):
    config, shapes, public, file = setting
    state = {n: p for n, p in public.state_dict().items() if n != "fc_gl.bias"}
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"lacks 'fc_gl\.bias'"):
        import_released(tmp_path / "less.pt", config, Widened(tiny, shapes), tmp_path / "ours")
    other = Widened(tiny, replace(shapes, answers=7))
    with pytest.raises(CheckpointError, match=r"classify\.weight must be \(7, 16\)"):
        import_released(file, config, other, tmp_path / "ours")


class Evil:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_pickle_that_would_run_code_is_refused(setting, tiny, tmp_path, capsys):
    config, shapes, _, _ = setting
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"fc_gl.bias": Evil()}))
    with pytest.raises(CheckpointError, match="no file of weights alone"):
        import_released(tmp_path / "evil.pt", config, Widened(tiny, shapes), tmp_path / "ours")
    assert "must not run" not in capsys.readouterr().out


def test_a_system_without_public_weights_is_named(setting, tiny, tmp_path):
    _, shapes, _, file = setting
    with pytest.raises(CheckpointError, match="system 'mcan' has no names for public weights"):
        import_released(file, configure("mcan"), Widened(tiny, shapes), tmp_path / "ours")
