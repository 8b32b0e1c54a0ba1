"""Playing a scene: melodies of soundfont instruments, as loud and as rhythmic as the scene says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from tass_core.data.extract.extra import need
from tass_core.data.media.ingredients import find_ingredient
from tass_core.data.world.scene import AMBIENCES, Bools, Scene, Source

RATE = 22_050
"""Samples a second."""

LEVEL = 0.06
"""Root mean square of a part at loudness one."""

AMBIENCE = 0.002
"""Root mean square of what is in the background."""

SLOWEST, FASTEST = 1.0, 0.2
"""Seconds from note to note of the least and the most rhythmic playing."""

FADE = 0.01
"""Seconds from a second's edge in which its loudness goes over into the next one's."""

Sound = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Voice:
    """How a soundfont plays an instrument."""

    program: int
    """In General MIDI, from 0."""
    lowest: int
    """Key of the tonic."""


VOICES: Mapping[str, Voice] = {
    "acoustic_guitar": Voice(25, 52),
    "cello": Voice(42, 43),
    "drum": Voice(0, 0),
    "electric_bass": Voice(33, 31),
    "flute": Voice(73, 72),
    "piano": Voice(0, 60),
    "saxophone": Voice(65, 56),
    "trumpet": Voice(56, 62),
    "violin": Voice(40, 67),
    "xylophone": Voice(13, 74),
}
"""Of the cast; drums have a channel of their own and no key."""

_DRUMS = (36, 38, 42, 46, 49)
"""Bass drum, snare, two hi-hats and a cymbal."""
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
_DRUM_CHANNEL, _DRUM_BANK = 9, 128
_BELLS = 14


class Player:
    """A synthesiser with one soundfont; every part is played alone, from silence."""

    def __init__(self, font: str) -> None:
        self._synth = need("tinysoundfont", "render").Synth(samplerate=RATE)
        self._font = self._synth.sfload(str(find_ingredient(font)))

    def play(self, rng: np.random.Generator, scene: Scene) -> Sound:
        """Return the sound of a scene: [T1 * RATE] between -1 and 1."""
        mixed = self._together(rng, scene)
        if scene.cutaway is not None:
            shown = np.repeat(scene.cutaway.shown, RATE)
            other = self._together(rng, scene.cutaway.scene) + self._bells(scene.cutaway.shown)
            mixed = np.where(shown, other, mixed)
        mixed += _ambience(rng, scene)
        loudest = float(np.abs(mixed).max())
        return (mixed / max(loudest / 0.95, 1.0)).astype(np.float32)

    def _together(self, rng: np.random.Generator, scene: Scene) -> Sound:
        parts = [self._part(rng, source) for source in scene.sources if source.sounds]
        return np.sum(parts, axis=0) if parts else np.zeros(scene.seconds * RATE, np.float32)

    def _part(self, rng: np.random.Generator, source: Source) -> Sound:
        """Play one source: each second in which it sounds is as loud as it says."""
        voice, drums = VOICES[source.instrument], source.instrument == "drum"
        channel, bank = (_DRUM_CHANNEL, _DRUM_BANK) if drums else (0, 0)
        self._hush()
        self._synth.program_select(channel, self._font, bank, voice.program, drums)
        tonic = voice.lowest + int(rng.integers(5))
        pace = SLOWEST * (FASTEST / SLOWEST) ** source.rhythm
        pieces = []
        for begin, end, playing in _spans(source.sounding):
            if not playing:
                pieces.append(np.zeros((end - begin) * RATE, np.float32))
                continue
            self._hush()
            for length in _note_lengths((end - begin) * RATE, round(pace * RATE)):
                key = int(rng.choice(_DRUMS)) if drums else tonic + int(rng.choice(_SCALE))
                pieces.append(self._note(channel, key, length, 0.95 - 0.4 * source.rhythm))
        return _levelled(np.concatenate(pieces), source)

    def _note(self, channel: int, key: int, length: int, held: float) -> Sound:
        self._synth.noteon(channel, key, 100)
        sounding = self._generate(round(held * length))
        self._synth.noteoff(channel, key)
        return np.concatenate([sounding, self._generate(length - len(sounding))])

    def _hush(self) -> None:
        """End all notes and let their tails go by, which the next part would have otherwise."""
        self._synth.sounds_off()
        self._synth.generate(RATE // 4)

    def _generate(self, samples: int) -> Sound:
        made = np.frombuffer(self._synth.generate(samples), dtype=np.float32)
        mono: Sound = made.reshape(-1, 2).mean(axis=1)
        return mono

    def _bells(self, shown: Bools) -> Sound:
        """Return a stroke of bells in every second of a cutaway: its mark."""
        self._hush()
        self._synth.program_select(0, self._font, 0, _BELLS, False)
        stroke = self._note(0, 72, RATE, 0.9)
        stroke *= LEVEL / _loudness(stroke)
        return np.outer(shown.astype(np.float32), stroke).reshape(-1)


@cache
def player(font: str) -> Player:
    """Return the player of a soundfont; a font is loaded once."""
    return Player(font)


def _spans(sounding: Bools) -> Iterator[tuple[int, int, bool]]:
    """Yield (first second, second after the last, whether it sounds) of each stretch."""
    second = 0
    for playing, run in groupby(sounding.tolist()):
        length = len(list(run))
        yield second, second + length, playing
        second += length


def _note_lengths(samples: int, pace: int) -> list[int]:
    whole, rest = divmod(samples, pace)
    return [pace] * whole + [rest] * (rest > 0)


def _levelled(sound: Sound, source: Source) -> Sound:
    """Bring every second to the loudness that the source has in it."""
    found = _loudness(sound.reshape(-1, RATE))
    typical = found[source.sounding].mean()
    gain = LEVEL * source.loudness / np.maximum(found, 0.25 * typical)
    knots = np.arange(len(gain))[:, None] + (FADE, 1 - FADE)
    curve = np.interp(np.arange(len(sound)) / RATE, knots.reshape(-1), np.repeat(gain, 2))
    levelled: Sound = (sound * curve * np.repeat(source.sounding, RATE)).astype(np.float32)
    return levelled


def _loudness(sound: Sound) -> npt.NDArray[np.float64]:
    """Return the root mean square of the last axis."""
    found: npt.NDArray[np.float64] = np.sqrt(np.mean(np.square(sound, dtype=np.float64), axis=-1))
    return found


def _ambience(rng: np.random.Generator, scene: Scene) -> Sound:
    """Return noise with a colour of the scene's ambience."""
    count = scene.seconds * RATE
    spectrum = np.fft.rfft(rng.standard_normal(count))
    colour = np.maximum(np.arange(len(spectrum)), 1) ** (-1.5 * scene.ambience / AMBIENCES)
    noise: Any = np.fft.irfft(spectrum * colour, count)
    return np.asarray(AMBIENCE * noise / noise.std(), dtype=np.float32)
