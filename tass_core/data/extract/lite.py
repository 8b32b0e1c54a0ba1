"""Pretrained encoders that fit in packages: EfficientNet-Lite0, YAMNet and MiniLM.

None of them is what the papers used. They make a real pipeline possible where CLIP's, ResNet's
and VGGish's weights cannot be had: pictures through ImageNet's classes, sound through AudioSet's,
sentences through a sentence model. The weights are ``tass_core.data.media.ingredients``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tass_core.data.extract.extra import need

WEIGHTS = ("efficientnet-lite0", "yamnet", "minilm")
"""The ingredients that these encoders need."""

AUDIO = 128
"""Numbers that YAMNet's embedding is cut to, as many as VGGish has."""


class LiteMaps(nn.Module):
    """EfficientNet-Lite0 up to its pooling: [B, 3, 224, 224] -> [B, 1280, 7, 7].

    Its head is a mean over the cells and a linear layer, so that ``classes`` of a cell is that
    cell's part in the picture's logits. Attributes bear the names of the published weights.
    """

    _STAGES = (
        *((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80)),
        *((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
    )
    """Repeats, kernel, first stride, expansion and channels of every stage."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Same(3, 32, 3, 2), _norm(32)
        blocks, channels = [], 32
        for repeats, kernel, stride, expansion, width in self._STAGES:
            for place in range(repeats):
                step = stride if place == 0 else 1
                blocks.append(_Block(channels, width, kernel, step, expansion))
                channels = width
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _Same(channels, 1280, 1), _norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the maps [B, 1280, 7, 7] of pictures as (colour - 127) / 128."""
        maps = functional.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            maps = block(maps)
        return functional.relu6(self._bn1(self._conv_head(maps)))

    def classes(self, features: Tensor) -> Tensor:
        """Return logits [..., 1000] over ImageNet's classes from features [..., 1280]."""
        logits: Tensor = self._fc(features)
        return logits


class _Same(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's SAME: more to the right and below."""

    def __init__(self, ins: int, outs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(ins, outs, kernel, stride, groups=groups, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        lacking = max(kernel - (stride if maps.shape[-1] % stride == 0 else 1), 0)
        before = lacking // 2
        return super().forward(functional.pad(maps, (before, lacking - before) * 2))


class _Block(nn.Module):
    """An inverted bottleneck, with a shortcut where the shapes allow one."""

    def __init__(self, ins: int, outs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = ins * expansion
        self.expands = expansion > 1
        self.shortcut = stride == 1 and ins == outs
        if self.expands:
            self._expand_conv, self._bn0 = _Same(ins, wide, 1), _norm(wide)
        self._depthwise_conv = _Same(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv, self._bn2 = _Same(wide, outs, 1), _norm(outs)

    def forward(self, maps: Tensor) -> Tensor:
        wide = functional.relu6(self._bn0(self._expand_conv(maps))) if self.expands else maps
        wide = functional.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: Tensor = self._bn2(self._project_conv(wide))
        return maps + narrow if self.shortcut else narrow


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class YamNet(nn.Module):
    """YAMNet (MobileNet v1 on log-mel examples), cut to its 128 most telling directions.

    The directions are the first right singular vectors of the classifier's weights: what tells
    AudioSet's 521 classes apart most. They need no data.
    """

    offset = 0.001
    """Added before the logarithm of the mel spectrum; VGGish has 0.01."""

    _WIDTHS = (32, 64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
    _HALVING = (2, 4, 6, 12)
    """Pairs of layers with stride 2."""

    def __init__(self) -> None:
        super().__init__()
        layers = list(_spatial(1, 32, 2, 1))
        for place, (ins, outs) in enumerate(pairwise(self._WIDTHS), start=1):
            stride = 2 if place in self._HALVING else 1
            layers += [*_spatial(ins, ins, stride, ins), nn.Conv2d(ins, outs, 1), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(1024, 521)
        self.directions: Tensor
        self.register_buffer("directions", torch.zeros(1024, AUDIO))

    def forward(self, examples: Tensor) -> Tensor:
        """Return [B, 128] from log-mel examples [B, 1, 96, 64]."""
        return torch.log1p(self.embed(examples)) @ self.directions

    def embed(self, examples: Tensor) -> Tensor:
        """Return the embeddings [B, 1024]."""
        return torch.as_tensor(self.layers(examples)).mean(dim=(2, 3))

    def tags(self, examples: Tensor) -> Tensor:
        """Return the probabilities [B, 521] of AudioSet's classes."""
        return torch.sigmoid(self.classifier(self.embed(examples)))


def _spatial(ins: int, outs: int, stride: int, groups: int) -> tuple[nn.Module, ...]:
    padding = nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else 1)
    return padding, nn.Conv2d(ins, outs, 3, stride, groups=groups), nn.ReLU()


class MiniLM(nn.Module):
    """all-MiniLM-L6-v2: BERT of six layers, for sentences and their words.

    Args:
        tokeniser: a ``tokenizers.Tokenizer``.
    """

    LONGEST = 32
    """Words of a sentence that are read, and that every array of words has room for: datasets
    of other questions have the same shapes."""

    _WIDTH, _VOCABULARY, _POSITIONS = 384, 30_522, 512
    _BATCH = 64

    def __init__(self, tokeniser: Any) -> None:
        super().__init__()
        self.tokeniser = tokeniser
        self.words = nn.Embedding(self._VOCABULARY, self._WIDTH)
        self.positions = nn.Embedding(self._POSITIONS, self._WIDTH)
        self.kind = nn.Parameter(torch.zeros(self._WIDTH))
        self.norm = nn.LayerNorm(self._WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(self._WIDTH, 12, 4 * self._WIDTH),
                activation="gelu",
                layer_norm_eps=1e-12,
                batch_first=True,
            )
            for _ in range(6)
        )

    def forward(self, tokens: Tensor, given: Tensor) -> Tensor:
        """Return the states [S, N, 384] at tokens [S, N], of which ``given`` are no padding."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        states: Tensor = self.norm(self.words(tokens) + self.positions(places) + self.kind)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=~given)
        return states

    @torch.no_grad()
    def encode(
        self, texts: Sequence[str]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return sentences [S, 384], words [S, N, 384] and word counts [S].

        A sentence is the mean of its tokens' states, of root mean square one as the other
        features are: of unit length it is too faint for a network to tell questions apart.
        Words are the states at its own tokens, without those that mark begin and end.
        """
        self.tokeniser.enable_truncation(self.LONGEST + 2)
        self.tokeniser.enable_padding(length=self.LONGEST + 2)
        read = self.tokeniser.encode_batch(list(texts))
        tokens = torch.tensor([item.ids for item in read], device=self.kind.device)
        given = torch.tensor([item.attention_mask for item in read], device=tokens.device).bool()
        parts = zip(tokens.split(self._BATCH), given.split(self._BATCH), strict=True)
        states = torch.cat([self(*part) for part in parts]) * given[..., None]
        counts = given.sum(dim=1)
        sentences = self._WIDTH**0.5 * functional.normalize(states.sum(dim=1), dim=1)
        own = torch.arange(tokens.shape[1] - 2, device=tokens.device) < (counts - 2)[:, None]
        words = states[:, 1:-1] * own[..., None]
        return sentences.cpu().numpy(), words.cpu().numpy(), (counts - 2).cpu().numpy()


def load_maps(path: Path, network: LiteMaps) -> None:
    """Load ``efficientnet-lite0-57934424.pth``."""
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


def load_yamnet(path: Path, network: YamNet) -> None:
    """Load YAMNet from a zip with an ONNX graph and its data.

    The graph is quantised, but its initialisers are the full float weights.
    """
    onnx = need("onnx", "render")
    with zipfile.ZipFile(path) as archive:
        files = {Path(name).name: archive.read(name) for name in archive.namelist()}
    model = onnx.load_model_from_string(files["model.onnx"])
    data = np.frombuffer(files["model.data"], dtype=np.uint8)
    arrays = {item.name: _array(onnx, item, data) for item in model.graph.initializer}
    with torch.no_grad():
        names = [node.input[1:] for node in model.graph.node if node.op_type == "Conv"]
        names.append(("model.classifier.weight", "model.classifier.bias"))
        taken = [name.removesuffix("_qdq") for pair in names for name in pair]
        for parameter, name in zip(network.parameters(), taken, strict=True):
            parameter.copy_(arrays[name])
        network.directions.copy_(_telling_directions(network.classifier.weight))


def _telling_directions(classifier: Tensor) -> Tensor:
    """Return [1024, 128], each column signed so that its largest entry is positive.

    The sign of a singular vector is the library's choice, and machines must not differ.
    """
    found = torch.linalg.svd(classifier.double(), full_matrices=False).Vh[:AUDIO]
    largest = found.gather(1, found.abs().argmax(dim=1, keepdim=True))
    return torch.as_tensor((found * largest.sign()).T)


def _array(onnx: Any, item: Any, data: npt.NDArray[np.uint8]) -> Tensor:
    """Return an initialiser; large ones lie in the file beside the graph."""
    place = {entry.key: entry.value for entry in item.external_data}
    if place:
        begin = int(place.get("offset", 0))
        item.raw_data = data[begin : begin + int(place["length"])].tobytes()
        item.data_location = onnx.TensorProto.DEFAULT
    return torch.from_numpy(np.array(onnx.numpy_helper.to_array(item)))


def load_minilm(path: Path) -> MiniLM:
    """Return MiniLM from a zip with ``model.safetensors`` and ``tokenizer.json``."""
    tokenizers, safetensors = need("tokenizers", "render"), need("safetensors.torch", "render")
    with zipfile.ZipFile(path) as archive:
        tokeniser = tokenizers.Tokenizer.from_str(archive.read("tokenizer.json").decode())
        found = safetensors.load(archive.read("model.safetensors"))
    network = MiniLM(tokeniser)
    network.load_state_dict(_renamed(found))
    return network


_PROJECTIONS = ("query", "key", "value")
_LAYER = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


def _renamed(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return BERT's weights by the names that torch's transformer layers have."""
    named = {
        "words.weight": found["embeddings.word_embeddings.weight"],
        "positions.weight": found["embeddings.position_embeddings.weight"],
        "kind": found["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        named[f"norm.{kind}"] = found[f"embeddings.LayerNorm.{kind}"]
        for layer in range(6):
            ours, theirs = f"layers.{layer}", f"encoder.layer.{layer}"
            parts = [found[f"{theirs}.attention.self.{p}.{kind}"] for p in _PROJECTIONS]
            named[f"{ours}.self_attn.in_proj_{kind}"] = torch.cat(parts)
            for name, other in _LAYER.items():
                named[f"{ours}.{name}.{kind}"] = found[f"{theirs}.{other}.{kind}"]
    return named
