"""VGGish: its front end against the formula, its layers against the published weights."""

import numpy as np
import torch

from tass_core.data.extract.vggish import VGGish, log_mel_by_second, mel_matrix


def slow_log_mel(second: np.ndarray) -> np.ndarray:
    """VGGish's front end written out with NumPy loops."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)  # noqa: E731
    edges = np.linspace(mel(125.0), mel(7500.0), 66)
    rows = []
    for start in range(0, 96 * 160, 160):
        spectrum = np.abs(np.fft.rfft(second[start : start + 400] * window, 512))
        bands = np.zeros(64)
        for band in range(64):
            for place in range(1, 257):
                at = mel(place * 16_000 / 512)
                up = (at - edges[band]) / (edges[band + 1] - edges[band])
                down = (edges[band + 2] - at) / (edges[band + 2] - edges[band + 1])
                bands[band] += spectrum[place] * max(0.0, min(up, down))
        rows.append(np.log(bands + 0.01))
    return np.array(rows)


def test_log_mel_agrees_with_the_formula_written_out():
    sound = np.random.default_rng(0).normal(scale=0.1, size=2 * 16_000).astype(np.float32)
    found = log_mel_by_second(sound, 0.01)
    assert found.shape == (2, 1, 96, 64)
    np.testing.assert_allclose(found[1, 0], slow_log_mel(sound[16_000:]), atol=2e-3)


def test_silence_is_the_floor_of_the_log_mel():
    silence = log_mel_by_second(np.zeros(16_000, np.float32), 0.01)
    assert torch.allclose(silence, torch.tensor(0.01).log())
    assert (mel_matrix() >= 0).all()


def test_vggish_has_the_published_weights_names_and_sizes():
    network = VGGish()
    assert sum(parameter.numel() for parameter in network.parameters()) == 72_141_184
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["features.0.weight"] == (64, 1, 3, 3)
    assert shapes["features.13.weight"] == (512, 512, 3, 3)
    assert shapes["embeddings.0.weight"] == (4096, 12288)
    assert shapes["embeddings.4.bias"] == (128,)
