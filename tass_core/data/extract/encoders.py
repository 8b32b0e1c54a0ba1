"""The frozen encoders, from local weights: the paper's two settings, and one from packages."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tass_core.data.extract import lite
from tass_core.data.extract.extra import need
from tass_core.data.extract.vggish import VGGish, log_mel_by_second
from tass_core.data.folder.description import EncoderArrays
from tass_core.data.folder.stream import sha256_file
from tass_core.data.ingest.text import SentenceEncoder
from tass_core.data.media.ingredients import find_ingredient
from tass_core.errors import DataError

CLIP, RESNET, LITE = "clip", "resnet18-glove", "lite"
SIZES = {CLIP: 224, RESNET: 448, LITE: 224}
"""Side of the square picture each encoder looks at."""
ARRAYS = {
    CLIP: EncoderArrays(grid=(7, 7), visual=2048),
    RESNET: EncoderArrays(grid=(14, 14), visual=512),
    LITE: EncoderArrays(grid=(7, 7), visual=1280),
}

_BATCH = 16
_NORMALISATION = {
    CLIP: ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    RESNET: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    LITE: ((127 / 255,) * 3, (128 / 255,) * 3),
}
_HUB = Path("hub") / "checkpoints"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weights:
    """A file of weights, where it comes from, and where libraries keep it."""

    file: str
    url: str
    cache: Path


WEIGHTS = {
    CLIP: Weights(
        "RN50.pt",
        "https://openaipublic.azureedge.net/clip/models/"
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
        Path("~/.cache/clip"),
    ),
    RESNET: Weights(
        "resnet18-f37072fd.pth",
        "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        Path("~/.cache/torch") / _HUB,
    ),
    "vggish": Weights(
        "vggish-10086976.pth",
        "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
        Path("~/.cache/torch") / _HUB,
    ),
}


def find_weights(name: str, folder: Path | None) -> Path:
    """Return the file with an encoder's weights, in ``folder`` or its library's cache.

    Raises:
        DataError: it is in neither; the message says what to fetch and where to put it.
    """
    wanted = WEIGHTS[name]
    places = [wanted.cache.expanduser()] if folder is None else [folder, wanted.cache.expanduser()]
    for place in places:
        if (place / wanted.file).is_file():
            return place / wanted.file
    shown = " or ".join(str(place) for place in places)
    raise DataError(
        f"the weights of {name} are not here: fetch {wanted.url} and put {wanted.file} "
        f"into {shown}, or say --weights FOLDER"
    )


def weight_checksums(names: Sequence[str], folder: Path | None) -> tuple[str, ...]:
    """Return the SHA-256 of the weights of the named encoders and of the sound's.

    Raises:
        DataError: a file is missing.
    """
    if LITE in names:
        return tuple(sha256_file(find_ingredient(name)) for name in lite.WEIGHTS)
    return tuple(sha256_file(find_weights(name, folder)) for name in (*names, "vggish"))


class FrozenEncoders:
    """The visual encoders asked for and the sound's, in evaluation mode and without gradients.

    Args:
        visual: network by encoder; each maps [B, 3, size, size] to [B, C, h, w].
        sound: maps log-mel examples [B, 1, 96, 64] to [B, 128].
        text: what reads sentences, by encoder; none for those whose questions are tokens.
        device: where to compute.
    """

    def __init__(
        self,
        visual: Mapping[str, nn.Module],
        sound: VGGish | lite.YamNet,
        text: Mapping[str, SentenceEncoder],
        device: str,
    ) -> None:
        self._visual = {name: net.eval().to(device) for name, net in visual.items()}
        self._sound = sound.eval().to(device)
        self.text = text
        self._device = device

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the pictures that ``maps`` wants."""
        return tuple(SIZES[name] for name in self._visual)

    @torch.no_grad()
    def audio(self, sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return [S, 128] from [S * 16000] samples."""
        examples = log_mel_by_second(sound, self._sound.offset).split(_BATCH)
        return _joined(self._sound(example.to(self._device)) for example in examples)

    @torch.no_grad()
    def maps(
        self, frames: dict[int, npt.NDArray[np.uint8]], fps: int
    ) -> dict[str, npt.NDArray[np.float16]]:
        """Return float16 [S, P, C] by encoder from [S * fps, size, size, 3] pictures.

        The pictures of a second are encoded one by one and their maps averaged.
        """
        made = {}
        for name, network in self._visual.items():
            pictures = torch.from_numpy(frames[SIZES[name]])
            batches = (_prepared(batch, name) for batch in pictures.split(_BATCH))
            maps = _joined(network(batch.to(self._device)) for batch in batches)
            seconds = maps.reshape(-1, fps, maps.shape[1], maps.shape[2] * maps.shape[3])
            made[name] = seconds.mean(axis=1).transpose(0, 2, 1).astype(np.float16)
        return made


def load_encoders(
    names: Sequence[str], *, weights: Path | None, device: str = "cpu", untrained: bool = False
) -> FrozenEncoders:
    """Build the named encoders and the sound's: YAMNet with ``lite``, else VGGish.

    Args:
        names: of ``clip`` and ``resnet18-glove``, or ``lite``.
        weights: folder with the weights' files; None looks in the libraries' caches.
        device: where to compute.
        untrained: random weights of the real architectures, to try a pipeline out; the
            features mean nothing.

    Raises:
        DataError: a library or a file of weights is missing or damaged.
    """
    if LITE in names:
        return _load_lite(device)
    visual: dict[str, nn.Module] = {}
    text: dict[str, SentenceEncoder] = {}
    with torch.random.fork_rng(devices=[]):  # random weights are of seed 0, and seed nothing else
        torch.default_generator.manual_seed(0)
        if CLIP in names:
            language = _load_clip(None if untrained else find_weights(CLIP, weights))
            visual[CLIP] = _ClipMaps(language.visual)
            text[CLIP] = partial(_clip_sentences, language.eval().to(device), device)
        if RESNET in names:
            visual[RESNET] = _load_resnet(None if untrained else find_weights(RESNET, weights))
        sound = VGGish()
    if not untrained:
        _load_into(sound, find_weights("vggish", weights))
    return FrozenEncoders(visual, sound, text, device)


def _load_lite(device: str) -> FrozenEncoders:
    files = {name: find_ingredient(name) for name in lite.WEIGHTS}
    maps, sound = lite.LiteMaps(), lite.YamNet()
    lite.load_maps(files["efficientnet-lite0"], maps)
    lite.load_yamnet(files["yamnet"], sound)
    language = lite.load_minilm(files["minilm"]).eval().to(device)
    return FrozenEncoders({LITE: maps}, sound, {LITE: language.encode}, device)


class _ClipMaps(nn.Module):
    """CLIP's ResNet up to its attention pooling: [B, 3, 224, 224] -> [B, 2048, 7, 7]."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        maps = self.visual.stem(images)
        for layer in ("layer1", "layer2", "layer3", "layer4"):
            maps = getattr(self.visual, layer)(maps)
        return torch.as_tensor(maps)


def _load_clip(path: Path | None) -> Any:
    library = need("open_clip")
    if path is None:
        return library.create_model("RN50", precision="fp32", force_quick_gelu=True)
    try:
        model = library.load_openai_model(str(path), precision="fp32", device="cpu")
    except Exception as error:  # a damaged archive can fail anywhere in its reader
        raise _damaged(path, error) from None
    if getattr(model.visual, "layer4", None) is None:
        raise _damaged(path, ValueError("another CLIP than RN50"))
    return model


def _load_resnet(path: Path | None) -> nn.Module:
    network = need("torchvision.models").resnet18(weights=None)
    if path is not None:
        _load_into(network, path)
    return nn.Sequential(*list(network.children())[:-2])


def _load_into(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged archive can fail anywhere in its reader
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path}: damaged, or other weights than expected ({reason}); fetch it again")


@torch.no_grad()
def _clip_sentences(
    model: Any, device: str, texts: Sequence[str]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return CLIP's features: sentences [S, 1024], words [S, N, 1024], word counts [S].

    Word features are the text network's states at the sentence's own tokens, through the
    same projection as the sentence's.
    """
    tokeniser = need("open_clip").get_tokenizer("RN50")
    states, tokens = [], tokeniser(list(texts))
    for batch in tokens.split(64):
        states.append(_text_states(model, batch.to(device)).cpu())
    joined = torch.cat(states).float().numpy()
    ends = tokens.argmax(dim=-1).numpy()  # the end token has the largest number
    rows = np.arange(len(ends))
    counts = np.maximum(ends - 1, 1)
    words = joined[:, 1 : 1 + counts.max()].copy()
    words[np.arange(words.shape[1]) >= counts[:, None]] = 0.0
    return joined[rows, ends], words, counts


def _text_states(model: Any, tokens: Tensor) -> Tensor:
    """Return the projected states of the text network at every token: [B, 77, 1024]."""
    states = model.token_embedding(tokens) + model.positional_embedding
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask))
    return torch.as_tensor(states @ model.text_projection)


def _prepared(pictures: Tensor, name: str) -> Tensor:
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in _NORMALISATION[name])
    return (pictures.permute(0, 3, 1, 2).float() / 255.0 - mean) / deviation


def _joined(parts: Any) -> npt.NDArray[np.float32]:
    return np.asarray(torch.cat([part.float().cpu() for part in parts]).numpy())
