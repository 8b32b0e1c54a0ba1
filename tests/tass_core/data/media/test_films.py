"""What a scene says is to be seen and heard in its film, in the second that it says."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tass_core.data.extract.decode import decode_video
from tass_core.data.extract.encoders import LITE, load_encoders
from tass_core.data.media.ingredients import SEEN_PICTURES
from tass_core.data.media.music import RATE, VOICES, player
from tass_core.data.media.stage import HEIGHT, LETTERBOX, WIDTH, cast_scene
from tass_core.data.world.scene import Cutaway
from tests.tass_core.data.media.films import film, frames, require_ingredients, scene, source


@pytest.fixture(autouse=True)
def _ingredients():
    require_ingredients()


def loudness(sound: np.ndarray, rate: int) -> np.ndarray:
    return np.sqrt(np.square(sound.reshape(-1, rate)).mean(axis=1))


def play(shot, font="fluid"):
    return loudness(player(font).play(np.random.default_rng(0), shot), RATE)


def test_an_entrance_is_heard_and_seen_in_its_second_of_the_file(tmp_path):
    path = film(tmp_path / "one.mp4", scene(source("violin", 0, 0, 0, 1, 1, 0)))
    decoded = decode_video(path, seconds=6, fps=2, sizes=(224,))
    heard = loudness(decoded.sound, 16_000)
    assert (heard > 0.03).tolist() == [False, False, False, True, True, False]
    pairs = decoded.frames[224].reshape(6, 2, -1).astype(int)
    moved = np.abs(pairs[:, 0] - pairs[:, 1]).mean(axis=1)
    assert moved[[3, 4]].min() > 2 * moved[[0, 1, 2]].max()


def test_an_entrance_is_in_its_second_of_the_features(tmp_path):
    path = film(tmp_path / "one.mp4", scene(source("trumpet", 0, 0, 0, 1, 1, 0)))
    encoders = load_encoders((LITE,), weights=None)
    decoded = decode_video(path, seconds=6, fps=1, sizes=encoders.sizes)
    found = encoders.audio(decoded.sound)
    silent = found[[0, 1, 2, 5]]
    spread = np.linalg.norm(silent - silent.mean(axis=0), axis=1).max()
    apart = np.linalg.norm(found[[3, 4]] - silent.mean(axis=0), axis=1).min()
    assert apart > 2 * spread


def test_a_film_without_sound_is_silent(tmp_path):
    path = film(tmp_path / "one.mp4", scene(source("violin", 1, 1)), sound=False)
    decoded = decode_video(path, seconds=2, fps=1, sizes=(224,))
    assert not decoded.has_sound
    assert not decoded.sound.any()


def test_a_player_off_the_stage_is_heard_and_not_seen():
    hidden = scene(source("flute", 1, 1, visible=False), source("violin", 0, 0))
    assert (play(hidden) > 0.03).all()
    alone = scene(source("violin", 0, 0))
    assert all(map(np.array_equal, frames(hidden), frames(alone)))


def test_who_is_silent_stands_still_and_who_fidgets_does_not():
    still = frames(scene(source("cello", 0, 0)))
    assert all(np.array_equal(frame, still[0]) for frame in still)
    moving = frames(scene(source("cello", 0, 0, fidget=np.ones(2, np.float32))))
    assert not np.array_equal(moving[0], moving[3])
    assert (play(scene(source("cello", 0, 0, fidget=np.ones(2, np.float32)))) < 0.01).all()


@pytest.mark.parametrize("instrument", sorted(VOICES))
@pytest.mark.parametrize("font", ["fluid", "musescore", "timgm6mb"])
def test_loudness_is_as_told_in_every_font(instrument, font):
    found = play(scene(source(instrument, 0.5, 0.5, 0, 1.5, 1.5, 1.5)), font)
    assert found[2] < 0.01
    assert found[3:].mean() / found[:2].mean() == pytest.approx(3, rel=0.25)


def test_the_more_rhythmic_plays_more_notes():
    slow, fast = (
        player("fluid").play(np.random.default_rng(0), scene(source("piano", 1, 1, 1, 1, rhythm=r)))
        for r in (0.0, 1.0)
    )
    onsets = [np.count_nonzero(_rises(sound)) for sound in (slow, fast)]
    assert onsets[1] > 2 * onsets[0]


def _rises(sound):
    short = loudness(sound[: len(sound) // 441 * 441], 441)
    rising = short[1:] > 1.5 * short[:-1] + 0.002
    return rising[1:] & ~rising[:-1]


def test_a_drawing_lies_in_its_box():
    shot = scene(source("drum", 0, 0, x=2.0, y=4.5))
    fitted, _ = cast_scene(np.random.default_rng(0), shot, SEEN_PICTURES)
    (drum,) = fitted.sources
    empty = frames(scene(source("drum", 0, 0, visible=False)))[0]
    rows, columns = np.nonzero((frames(shot)[0] != empty).any(axis=-1))
    across, down = columns / WIDTH, rows / HEIGHT
    box = np.array([across.min(), across.max(), down.min(), down.max()])
    half = drum.width / 2, drum.height / 2
    told = np.array([drum.x - half[0], drum.x + half[0], drum.y - half[1], drum.y + half[1]]) / 7
    np.testing.assert_allclose(box, told, atol=0.01)
    assert drum.width <= 2.4 + 0.02
    assert drum.height <= 3.0 + 0.02


def test_a_cutaway_shows_and_plays_others_under_a_mark():
    others = scene(source("flute", 1, 1, 1))
    performance = scene(source("drum", 0, 0, 0))
    shown = np.array([False, True, False])
    cut = replace(performance, cutaway=Cutaway(others, shown))
    assert (play(cut) > 0.03).tolist() == shown.tolist()
    pictures = np.stack(frames(cut)).reshape(3, -1, HEIGHT, WIDTH, 3)
    assert (pictures[:, :, :LETTERBOX] == 0).all(axis=(1, 2, 3, 4)).tolist() == shown.tolist()


def test_the_same_scene_is_the_same_file(tmp_path):
    shot = scene(source("saxophone", 1, 0), source("xylophone", 1, 1, x=5.5))
    paths = [film(tmp_path / f"{name}.mp4", shot) for name in "ab"]
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}) == 1
