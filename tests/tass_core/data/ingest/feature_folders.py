"""Small feature folders and question files with the true shapes of the public ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tass_core.data.music_avqa.questions import PLACEHOLDER
from tass_core.data.music_avqa.vocabulary import SLOTS, TEMPLATES, TYPE_NAMES

SPLIT_FILES = {"train": "avqa-train.json", "val": "avqa-val.json", "test": "avqa-test.json"}
ANSWER_OF = {"a_count": "yes", "v_loc": "indoor", "av_loc": "left", "av_temp": "piano"}


def record(identity: int, video: str) -> dict[str, Any]:
    kind, content = TEMPLATES[identity % len(TEMPLATES)]
    pair = next(pair for pair, name in TYPE_NAMES.items() if name == kind)
    slots = PLACEHOLDER.findall(content)
    values = [
        SLOTS[slot][(identity + place) % len(SLOTS[slot])] for place, slot in enumerate(slots)
    ]
    return {
        "video_id": video,
        "question_id": identity,
        "type": json.dumps(list(pair)),
        "question_content": content.replace("?", "？") if identity % 5 == 0 else content,
        "templ_values": json.dumps(values),
        "question_deleted": 0,
        "anser": ANSWER_OF.get(kind, "two" if "count" in kind else "no"),
    }


def write_questions(folder: Path, videos: list[str], per_split: int = 40) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for place, (split, name) in enumerate(SPLIT_FILES.items()):
        first = place * 1000
        asked = [record(first + n, videos[n % len(videos)]) for n in range(per_split)]
        files[split] = folder / name
        files[split].write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    return files


def write_arrays(
    folder: Path, names: list[str], shape: tuple[int, ...], kind: str = "float32", seed: int = 0
) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    source = np.random.default_rng(seed)
    made = {}
    for name in names:
        made[name] = source.random(shape, dtype=np.float32).astype(kind)
        np.save(folder / f"{name}.npy", made[name])
    return made


def video_names(count: int) -> list[str]:
    return [f"{number:08d}" for number in range(count)]
