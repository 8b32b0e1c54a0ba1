"""Decoding of real video files made here, and the encoders' real architectures, untrained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tass_core.data.extract import ExtractSettings, decode_video, extract_video, load_encoders
from tass_core.data.extract.encoders import find_weights
from tass_core.data.extract.extra import need
from tass_core.data.extract.vggish import VGGish, log_mel_by_second, mel_matrix
from tass_core.errors import DataError

av = pytest.importorskip("av", reason="the extra [extract] is not installed")

RATE, FPS = 44_100, 10


def make_video(path: Path, seconds: float = 6.0, *, sound: bool = True, late: float = 0.0) -> Path:
    """Second s is grey 20 * s; it beeps (440 Hz) in the odd seconds; the picture may come late."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=FPS)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        track = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for number in range(round(seconds * FPS)):
            grey = np.full((64, 96, 3), 20 * (number // FPS), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts = number + round(late * FPS)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if track is not None:
            wave = beeps(seconds + late)
            for start in range(0, len(wave), 1024):
                piece = wave[None, start : start + 1024]
                block = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                block.sample_rate, block.pts = RATE, start
                container.mux(track.encode(block))
            container.mux(track.encode(None))
    return path


def beeps(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * 440 * time) * (time.astype(int) % 2)).astype(np.float32)


def decode(path, seconds=6, fps=1):
    return decode_video(path, seconds=seconds, fps=fps, sizes=(32,))


def loudness(decoded):
    return np.sqrt((decoded.sound.reshape(-1, 16_000) ** 2).mean(axis=1))


def greys(decoded):
    return decoded.frames[32].mean(axis=(1, 2, 3))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov"])
def test_sound_and_picture_of_each_second_belong_together(tmp_path, ending):
    decoded = decode(make_video(tmp_path / f"a.{ending}"))
    assert decoded.frames[32].shape == (6, 32, 32, 3)
    assert decoded.sound.shape == (6 * 16_000,)
    np.testing.assert_allclose(greys(decoded), 20 * np.arange(6), atol=4)
    np.testing.assert_allclose(loudness(decoded), [0, 0.354, 0, 0.354, 0, 0.354], atol=0.03)


def test_more_pictures_a_second_stay_in_their_second(tmp_path):
    decoded = decode(make_video(tmp_path / "a.mp4"), fps=4)
    np.testing.assert_allclose(greys(decoded), np.repeat(20 * np.arange(6), 4), atol=4)


def test_late_picture_track_is_placed_by_its_timestamps(tmp_path):
    decoded = decode(make_video(tmp_path / "a.mkv", 4.0, late=2.0))
    assert greys(decoded)[2:] == pytest.approx(20 * np.arange(4), abs=4)
    np.testing.assert_allclose(loudness(decoded), [0, 0.354, 0, 0.354, 0, 0.354], atol=0.03)


def test_long_video_is_read_no_further_than_wanted(tmp_path):
    assert decode(make_video(tmp_path / "a.mp4"), seconds=3).seconds == 3


@pytest.mark.parametrize(("length", "seconds"), [(4.0, 4), (4.3, 4), (4.8, 5), (0.3, 1)])
def test_short_video_gives_the_seconds_whose_middle_it_reaches(tmp_path, length, seconds):
    assert decode(make_video(tmp_path / "a.mp4", length)).seconds == seconds


def test_video_without_sound_is_silent_and_says_so(tmp_path):
    decoded = decode(make_video(tmp_path / "a.mp4", sound=False))
    assert not decoded.has_sound
    assert not decoded.sound.any()
    assert decoded.seconds == 6


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_text("no video " * 500), "cannot be decoded as a video"),
        (lambda path: path.write_bytes(b""), "cannot be decoded as a video"),
        (lambda path: path.write_bytes(path.read_bytes()[:3000]), "cannot be decoded|cut short"),
        (lambda path: path.unlink(), "the file is missing"),
    ],
)
def test_file_that_is_no_whole_video_is_named(tmp_path, spoil, reason):
    path = make_video(tmp_path / "a.mp4")
    spoil(path)
    with pytest.raises(DataError, match=f"a.mp4: .*({reason})"):
        decode(path)


@pytest.mark.parametrize("ending", ["avi", "mkv"])
def test_video_that_ends_before_its_stated_length_is_refused(tmp_path, ending):
    path = make_video(tmp_path / f"a.{ending}", 12.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="cut short: fetch it again"):
        decode(path, seconds=12)


def test_sound_file_has_no_picture(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = (beeps(2.0)[None] * 30_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = RATE
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    with pytest.raises(DataError, match="has no picture track"):
        decode(tmp_path / "a.wav")


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
    found = log_mel_by_second(sound)
    assert found.shape == (2, 1, 96, 64)
    np.testing.assert_allclose(found[1, 0], slow_log_mel(sound[16_000:]), atol=2e-3)


def test_silence_is_the_floor_of_the_log_mel():
    assert torch.allclose(log_mel_by_second(np.zeros(16_000, np.float32)), torch.tensor(0.01).log())
    assert (mel_matrix() >= 0).all()


def test_vggish_has_the_published_weights_names_and_sizes():
    network = VGGish()
    assert sum(parameter.numel() for parameter in network.parameters()) == 72_141_184
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["features.0.weight"] == (64, 1, 3, 3)
    assert shapes["features.13.weight"] == (512, 512, 3, 3)
    assert shapes["embeddings.0.weight"] == (4096, 12288)
    assert shapes["embeddings.4.bias"] == (128,)


@pytest.mark.parametrize("name", ["clip", "resnet18-glove", "vggish"])
def test_missing_weights_say_what_to_fetch_and_where_to_put_it(tmp_path, name, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match=f"fetch https://.* into {tmp_path / 'weights'} or .*cache"):
        find_weights(name, tmp_path / "weights")


def untrained(*names):
    for module in {"clip": "open_clip", "resnet18-glove": "torchvision.models"}[names[0]], "av":
        try:
            need(module)
        except DataError as error:
            pytest.skip(str(error))
    return load_encoders(names, weights=None, untrained=True)


@pytest.mark.parametrize(
    ("name", "shape"), [("clip", (6, 49, 2048)), ("resnet18-glove", (6, 196, 512))]
)
def test_video_becomes_features_of_the_papers_shapes(tmp_path, name, shape):
    encoders = untrained(name)
    settings = ExtractSettings(encoders=(name,), seconds=6, untrained=True)
    found = extract_video(make_video(tmp_path / "a.mp4", 4.0), encoders, settings)
    assert found["audio"].shape == (6, 128)
    maps = found[f"{name}/visual"]
    assert (maps.shape, maps.dtype) == (shape, np.float16)
    np.testing.assert_array_equal(maps[4:], maps[[3, 3]])
    np.testing.assert_array_equal(found["audio"][4:], found["audio"][[3, 3]])
    assert not np.array_equal(maps[0], maps[1])
    assert int(found["seconds"]) == 4


def test_sentence_features_are_those_of_the_library():
    encoders = untrained("clip")
    texts = ["Is there a piano sound?", "Where is the loudest instrument?", "piano"]
    sentences, words, counts = encoders.sentences(texts)
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
    np.testing.assert_allclose(loaded.sentences(["piano"])[0], expected, atol=1e-2)


@pytest.mark.parametrize("name", ["clip", "resnet18-glove"])
def test_damaged_weights_are_named(tmp_path, name):
    untrained(name)
    file = {"clip": "RN50.pt", "resnet18-glove": "resnet18-f37072fd.pth"}[name]
    (tmp_path / file).write_text("broken")
    torch.save(VGGish().state_dict(), tmp_path / "vggish-10086976.pth")
    with pytest.raises(DataError, match=f"{file}: damaged, or other weights"):
        load_encoders((name,), weights=tmp_path)
