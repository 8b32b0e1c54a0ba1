"""VGGish (Hershey et al. 2017): sound to 128 numbers a second.

The network and its log-mel front end, in the shape of the published weights
``vggish-10086976.pth`` (the TensorFlow weights as converted by harritaylor/torchvggish). No
maintained library carries it: torchaudio dropped its prototype. Embeddings are those of the
last ReLU, without the PCA and quantisation that AudioSet's release added, as MUSIC-AVQA uses.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000
FRAMES = 96
BANDS = 64

_WINDOW, _HOP, _FFT = 400, 160, 512
_LOWEST, _HIGHEST = 125.0, 7500.0
_EXAMPLE = (FRAMES - 1) * _HOP + _WINDOW


class VGGish(nn.Module):
    """Four groups of 3x3 convolutions and three dense layers."""

    offset = 0.01
    """Added before the logarithm of the mel spectrum."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")
        layers: list[nn.Module] = []
        channels = 1
        for width in widths:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * (FRAMES // 16) * (BANDS // 16), 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, 128),
            nn.ReLU(inplace=True),
        )

    def forward(self, examples: Tensor) -> Tensor:
        """Return [B, 128] from log-mel examples [B, 1, 96, 64]."""
        maps = self.features(examples)
        # The weights come from TensorFlow, which flattens with the channels last.
        flat = maps.permute(0, 2, 3, 1).flatten(1)
        embedded: Tensor = self.embeddings(flat)
        return embedded


def log_mel_by_second(sound: npt.NDArray[np.float32], offset: float) -> Tensor:
    """Return a log-mel example for every whole second: [S, 1, 96, 64].

    Second s is heard through the 0.96 s (and the last window's overlap) from its start.

    Args:
        sound: [S * 16000] mono samples between -1 and 1.
        offset: added before the logarithm; each network has its own.
    """
    seconds = len(sound) // SAMPLE_RATE
    padded = np.pad(sound[: seconds * SAMPLE_RATE], (0, _WINDOW))
    starts = np.arange(seconds) * SAMPLE_RATE
    examples = torch.from_numpy(np.stack([padded[s : s + _EXAMPLE] for s in starts]))
    frames = examples.float().unfold(1, _WINDOW, _HOP)
    window = torch.hann_window(_WINDOW, periodic=True)
    spectrum = torch.fft.rfft(frames * window, n=_FFT).abs()
    return torch.log(spectrum @ mel_matrix() + offset).unsqueeze(1)


def mel_matrix() -> Tensor:
    """Return the weights of 64 triangular bands, even on the mel scale: [257, 64]."""
    bins = _mel(torch.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64))
    low, high = _mel(torch.tensor([_LOWEST, _HIGHEST], dtype=torch.float64))
    edges = torch.linspace(float(low), float(high), BANDS + 2, dtype=torch.float64)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - lower) / (centre - lower)
    falling = (upper - bins[:, None]) / (upper - centre)
    weights = torch.minimum(rising, falling).clamp_min(0.0)
    weights[0] = 0.0  # the constant part is no sound
    return weights.float()


def _mel(hertz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hertz / 700.0)
