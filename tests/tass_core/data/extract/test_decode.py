"""Decoding: sound and picture of each second, and files that are no whole videos."""

import numpy as np
import pytest

from tass_core.data.extract.decode import decode_video
from tass_core.errors import DataError
from tests.tass_core.data.extract.videos import RATE, av, beeps, make_video


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
