"""The frozen encoders' real architectures, untrained, and where their weights come from."""

import numpy as np
import pytest
import torch
from torch import nn

from tass_core.data.extract.encoders import FrozenEncoders, find_weights, load_encoders
from tass_core.data.extract.extra import need
from tass_core.data.extract.vggish import VGGish
from tass_core.errors import DataError
from tests.tass_core.data.extract.videos import untrained


@pytest.mark.parametrize("name", ["clip", "resnet18-glove", "vggish"])
def test_missing_weights_say_what_to_fetch_and_where_to_put_it(tmp_path, name, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=f"fetch https://.* into {tmp_path / 'weights'} or .*cache"):
        find_weights(name, tmp_path / "weights")


def test_maps_are_the_mean_of_a_seconds_pictures_row_by_row():
    # Each 64 x 64 patch of the picture gives one region its three colours.
    colours = nn.AvgPool2d(64)
    encoders = FrozenEncoders({"resnet18-glove": colours}, VGGish(), {}, "cpu")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 448, 448, 3), dtype=np.uint8)
    found = encoders.maps({448: pictures}, 2)["resnet18-glove"]
    assert (found.shape, found.dtype) == ((2, 49, 3), np.float16)
    patch = pictures[2:, 64:128, 128:192].astype(np.float64).mean(axis=(0, 1, 2)) / 255
    normal = (patch - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found[1, 7 + 2], normal, atol=2e-3)


def test_loading_leaves_the_generator_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_encoders((), weights=None, untrained=True)
    assert torch.equal(torch.rand(3), expected)


def test_sentence_features_are_those_of_the_library():
    encoders = untrained("clip")
    texts = ["Is there a piano sound?", "Where is the loudest instrument?", "piano"]
    sentences, words, counts = encoders.text["clip"](texts)
    library = need("open_clip")
    torch.manual_seed(0)
    model = library.create_model("RN50", precision="fp32", force_quick_gelu=True).eval()
    with torch.no_grad():
        expected = model.encode_text(library.get_tokenizer("RN50")(texts))
    np.testing.assert_allclose(sentences, expected, atol=1e-4)
    assert words.shape == (3, counts.max(), 1024)
    assert counts[2] < counts[0]
    assert not words[2, counts[2] :].any()


def test_weights_are_read_from_the_published_files(tmp_path):
    encoders = untrained("resnet18-glove")
    torch.manual_seed(3)
    network = need("torchvision.models").resnet18(weights=None)
    torch.save(network.state_dict(), tmp_path / "resnet18-f37072fd.pth")
    torch.save(VGGish().state_dict(), tmp_path / "vggish-10086976.pth")
    loaded = load_encoders(("resnet18-glove",), weights=tmp_path)
    frames = {448: np.random.default_rng(0).integers(0, 256, (1, 448, 448, 3), dtype=np.uint8)}
    found = loaded.maps(frames, 1)["resnet18-glove"]
    assert not np.array_equal(found, encoders.maps(frames, 1)["resnet18-glove"])
    with torch.no_grad():
        again = load_encoders(("resnet18-glove",), weights=tmp_path).maps(frames, 1)
    np.testing.assert_array_equal(found, again["resnet18-glove"])


@pytest.mark.parametrize("form", ["archive", "state"])
def test_clip_weights_are_read_from_either_form_of_the_file(tmp_path, form):
    untrained("clip")
    torch.manual_seed(4)
    model = need("open_clip").create_model("RN50", precision="fp32", force_quick_gelu=True).eval()
    if form == "archive":
        mask = model._buffers.pop("attn_mask")  # a constant in the published archive
        model.attn_mask = mask
        inputs = {"encode_image": torch.zeros(1, 3, 224, 224)}
        inputs["encode_text"] = torch.zeros(1, 77, dtype=torch.long)
        torch.jit.trace_module(model, inputs, check_trace=False).save(tmp_path / "RN50.pt")
    else:
        torch.save(model.state_dict(), tmp_path / "RN50.pt")
    torch.save(VGGish().state_dict(), tmp_path / "vggish-10086976.pth")
    loaded = load_encoders(("clip",), weights=tmp_path)
    with torch.no_grad():
        expected = model.encode_text(need("open_clip").get_tokenizer("RN50")(["piano"]))
    np.testing.assert_allclose(loaded.text["clip"](["piano"])[0], expected, atol=1e-2)


@pytest.mark.parametrize("name", ["clip", "resnet18-glove"])
def test_damaged_weights_are_named(tmp_path, name):
    untrained(name)
    file = {"clip": "RN50.pt", "resnet18-glove": "resnet18-f37072fd.pth"}[name]
    (tmp_path / file).write_text("broken")
    torch.save(VGGish().state_dict(), tmp_path / "vggish-10086976.pth")
    with pytest.raises(DataError, match=f"{file}: damaged, or other weights"):
        load_encoders((name,), weights=tmp_path)
