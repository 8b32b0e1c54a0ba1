"""The pretrained encoders from packages: what they know shows a wrong mean, offset or axis."""

import csv

import numpy as np
import pytest
import torch
from torch.nn import functional

from tass_core.data.extract.encoders import LITE, load_encoders
from tass_core.data.extract.lite import (
    LiteMaps,
    MiniLM,
    YamNet,
    load_maps,
    load_minilm,
    load_yamnet,
)
from tass_core.data.extract.parts import ExtractSettings
from tass_core.data.extract.vggish import log_mel_by_second
from tass_core.data.media.ingredients import (
    SEEN_PICTURES,
    UNSEEN_PICTURES,
    find_ingredient,
)
from tass_core.data.media.music import player
from tass_core.errors import DataError
from tests.tass_core.data.media.films import require_ingredients, scene, source
from tests.tass_core.data.media.pictures import on_white

CLASSES = {
    402: "acoustic guitar",
    546: "electric guitar",
    486: "cello, violoncello",
    541: "drum, membranophone, tympan",
    558: "flute, transverse flute",
    579: "grand piano, grand",
    881: "upright, upright piano",
    776: "sax, saxophone",
    513: "cornet, horn, trumpet, trump",
    889: "violin, fiddle",
    642: "marimba, xylophone",
    683: "oboe, hautboy",
    594: "harp",
    875: "trombone",
    401: "accordion",
    420: "banjo",
}
"""Some of ImageNet's, by place."""


@pytest.fixture(scope="module")
def maps() -> LiteMaps:
    require_ingredients()
    network = LiteMaps()
    load_maps(find_ingredient("efficientnet-lite0"), network)
    return network.eval()


@pytest.fixture(scope="module")
def yamnet() -> YamNet:
    require_ingredients()
    network = YamNet()
    load_yamnet(find_ingredient("yamnet"), network)
    return network.eval()


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    require_ingredients()
    return load_minilm(find_ingredient("minilm")).eval()


@torch.no_grad()
def look(maps: LiteMaps, picture: np.ndarray) -> torch.Tensor:
    """Return the map [49, 1280] of a picture."""
    colours = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
    return maps((colours - 127) / 128)[0].flatten(1).T


@torch.no_grad()
def tags(yamnet: YamNet, instrument: str, offset: float = YamNet.offset) -> dict[str, float]:
    played = player("fluid").play(np.random.default_rng(0), scene(source(instrument, *[1.0] * 6)))
    rate = len(played) // 6
    places = np.arange(6 * 16_000) * rate / 16_000
    heard = np.interp(places, np.arange(len(played)), played).astype(np.float32)
    found = yamnet.tags(log_mel_by_second(heard, offset)).mean(dim=0)
    with find_ingredient("yamnet-classes").open() as file:
        names = [row["display_name"] for row in csv.DictReader(file)]
    return dict(zip(names, found.tolist(), strict=True))


@pytest.mark.parametrize(
    ("instrument", "place", "least"),
    [
        ("acoustic_guitar", 402, 0.7),
        ("trumpet", 513, 0.8),
        ("violin", 889, 0.35),
        ("cello", 486, 0.35),
    ],
)
def test_a_drawing_of_an_instrument_is_recognised(maps, instrument, place, least):
    picture = on_white(SEEN_PICTURES[instrument][0])
    shares = maps.classes(look(maps, picture).mean(dim=0)).softmax(dim=0).detach()
    assert int(shares.argmax()) == place
    assert shares[place].item() > least


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("row", [0, 1])
def test_a_cell_speaks_of_what_stands_there(maps, row, column):
    whole = np.full((224, 224, 3), 255, np.uint8)
    guitar = on_white(SEEN_PICTURES["acoustic_guitar"][0], 112)
    whole[112 * row :, 112 * column :][:112, :112] = guitar
    logits = maps.classes(look(maps, whole))[:, 402].reshape(7, 7)
    halves = logits[:, :3].mean() < logits[:, 4:].mean(), logits[:3].mean() < logits[4:].mean()
    assert halves == (bool(column), bool(row))


@pytest.mark.parametrize(
    ("instrument", "tag", "least"),
    [("violin", "Violin, fiddle", 0.5), ("flute", "Flute", 0.5), ("trumpet", "Trumpet", 0.3)],
)
def test_a_played_instrument_is_recognised(yamnet, instrument, tag, least):
    found = tags(yamnet, instrument)
    others = ("Violin, fiddle", "Flute", "Trumpet", "Cello", "Piano", "Guitar", "Drum")
    assert found[tag] > least
    assert max(others, key=lambda name: found[name]) == tag


def test_with_vggishs_offset_the_violin_is_heard_less_well(yamnet):
    assert tags(yamnet, "violin", 0.01)["Violin, fiddle"] < tags(yamnet, "violin")["Violin, fiddle"]


def test_the_directions_are_the_ones_in_which_the_classes_differ(yamnet):
    directions, weights = yamnet.directions, yamnet.classifier.weight.detach()
    assert torch.allclose(directions.T @ directions, torch.eye(128), atol=1e-4)
    assert (directions.gather(0, directions.abs().argmax(dim=0)[None]) > 0).all()
    kept = float(((weights @ directions) ** 2).sum() / (weights**2).sum())
    random, _ = torch.linalg.qr(torch.randn(1024, 128, generator=torch.manual_seed(0)))
    assert kept > 0.6 > 0.2 > float(((weights @ random) ** 2).sum() / (weights**2).sum())


def test_sentences_mean_what_they_say(minilm):
    texts = ["a violin", "a fiddle", "a car", "Is the violin louder than the piano?"]
    sentences, words, counts = minilm.encode(texts)
    np.testing.assert_allclose(np.square(sentences).mean(axis=1), 1.0, atol=1e-5)
    alike = sentences @ sentences.T / 384
    assert alike[0, 1] == pytest.approx(0.553, abs=0.02)
    assert alike[0, 2] < 0.35
    assert counts.tolist() == [2, 2, 2, 8]
    assert words.shape == (4, MiniLM.LONGEST, 384)
    assert not words[0, 2:].any()
    alone = minilm.encode(texts[:1])
    np.testing.assert_allclose(alone[1][0], words[0], atol=1e-4)


def test_a_sentence_finds_its_picture(maps, minilm):
    names = list(SEEN_PICTURES)
    told = minilm.encode([f"a {name.replace('_', ' ')}" for name in names])[0]
    classes = torch.from_numpy(minilm.encode(list(CLASSES.values()))[0])
    right, shown = 0, 0
    for name in names:
        for picture in (*SEEN_PICTURES[name], *UNSEEN_PICTURES.get(name, ())):
            logits = maps.classes(look(maps, on_white(picture)).mean(dim=0))[list(CLASSES)]
            seen = functional.normalize(logits.softmax(dim=0).detach() @ classes, dim=0).numpy()
            right += names[int((told @ seen).argmax())] == name
            shown += 1
    assert right >= 12, f"{right} of {shown}"


def test_the_encoders_of_one_name_make_all_arrays():
    require_ingredients()
    encoders = load_encoders((LITE,), weights=None)
    frames = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    assert encoders.maps({224: frames}, 2)[LITE].shape == (2, 49, 1280)
    assert encoders.audio(np.zeros(32_000, np.float32)).shape == (2, 128)
    assert set(encoders.text) == {LITE}


def test_encoders_with_different_sounds_do_not_go_together():
    with pytest.raises(DataError, match="lite has a sound of its own: give it without clip"):
        ExtractSettings(encoders=(LITE, "clip"))
    with pytest.raises(DataError, match="give it without --untrained"):
        ExtractSettings(encoders=(LITE,), untrained=True)
