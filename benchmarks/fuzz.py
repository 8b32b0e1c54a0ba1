"""Mutated question files, datasets and feature folders: no traceback, no partial output.

    python benchmarks/fuzz.py --examples 10000

Hypothesis draws the mutations. An input may be read or refused with a ``DataError``; anything
else (another exception, a dataset that appears half-written) ends the run with the input that
did it. Ends with exit code 0 and a line of figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.folder.description import SPLITS, Description, EncoderArrays
from tass_core.data.folder.examine import check_dataset
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.ingest.features import IngestPlan, ingest
from tass_core.data.ingest.text import TextPlan
from tass_core.data.music_avqa.questions import parse_questions
from tass_core.data.music_avqa.vocabulary import ANSWERS, QUESTION_TYPES
from tass_core.errors import DataError

RECORDS = [
    {
        "video_id": f"0000000{number}",
        "question_id": number,
        "type": '["Audio", "Comparative"]',
        "question_content": "Is the <Object> louder than the <Object>？ ",
        "templ_values": '["guzheng", "piano"]',
        "question_deleted": 0,
        "anser": "yes",
    }
    for number in range(3)
]
SHARES = {"question file": 0.6, "dataset": 0.3, "ingest": 0.1}
GLOVE = "resnet18-glove"

outcomes: Counter[str] = Counter()

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(["[", "[[]]", '["Audio"]', "('a',)", "__import__('os')", "<Object>", "?"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
edits = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from([*RECORDS[0], "answer", ""]), values | st.just(...)
    ),
    min_size=1,
    max_size=3,
)
cuts = st.tuples(
    st.sampled_from(["truncate", "flip", "insert", "remove", "zero", "repeat"]),
    st.floats(0, 1),
    st.binary(min_size=1, max_size=8),
)


def mutated(content: bytes, cut: tuple[str, float, bytes]) -> bytes:
    """Return the bytes with one mutation at a relative place."""
    kind, place, data = cut
    at = int(place * max(0, len(content) - 1))
    return {
        "truncate": content[:at],
        "flip": content[:at] + bytes(b ^ data[0] for b in content[at : at + 1]) + content[at + 1 :],
        "insert": content[:at] + data + content[at:],
        "remove": content[:at] + content[at + len(data) :],
        "zero": content[:at] + bytes(len(data)) + content[at + len(data) :],
        "repeat": content[:at] + content[at // 2 :],
    }[kind]


def refused_or(kind: str, read: Callable[[], None]) -> bool:
    """Run ``read``; return whether it succeeded, and count. Only a DataError may be raised."""
    try:
        read()
    except DataError as error:
        if not str(error).strip():
            raise RuntimeError("a refusal without words") from error
        outcomes[f"{kind}: refused"] += 1
        return False
    outcomes[f"{kind}: read"] += 1
    return True


def edited_records(changes: list[tuple[int, str, Any]]) -> bytes:
    """Return the question file with some fields replaced or removed."""
    records = [dict(record) for record in RECORDS]
    for place, key, value in changes:
        if value is ...:
            records[place].pop(key, None)
        else:
            records[place][key] = value
    return json.dumps(records).encode()


def fuzz_question_files(folder: Path, examples: int) -> None:
    """Mutate records and bytes of a question file; whatever is read must be valid."""
    path = folder / "avqa-train.json"
    whole = json.dumps(RECORDS, ensure_ascii=False).encode()

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        edits.map(edited_records)
        | cuts.map(lambda cut: mutated(whole, cut))
        | st.binary(max_size=50)
    )
    def run(content: bytes) -> None:
        path.write_bytes(content)

        def read() -> None:
            found = parse_questions(path)
            for question in found.questions:
                assert question.answer in ANSWERS
                assert question.type in QUESTION_TYPES
                assert "<" not in question.text or question.values
                assert "/" not in question.video_id

        refused_or("question file", read)

    run()


def write_dataset(path: Path) -> None:
    """Write a small whole dataset with everything in it."""
    source = np.random.default_rng(0)
    description = Description(
        name="fuzz",
        provenance="procedural",
        videos=3,
        segments=6,
        encoders={"clip": EncoderArrays((2, 2), 4)},
    )
    with DatasetWriter(path, description) as writer:
        for number in range(3):
            maps = source.random((6, 4, 4))
            writer.add_video(f"v{number}", source.random((6, 128)), {"clip": maps})
        writer.set_text("clip", source.random((2, 5)), source.random((2, 3, 5)), np.array([2, 3]))
        for split in SPLITS:
            asked: dict[str, Any] = {
                name: [0, 1] for name in ("question_id", "video", "sentence", "answer", "type")
            }
            writer.set_questions(split, **asked, text=["a", "b"])
            writer.set_truth(split, regions=np.ones((2, 6, 4)) > 0, segments=np.ones((2, 6)) > 0)
        writer.finish()


def fuzz_datasets(folder: Path, examples: int) -> None:
    """Mutate a file of a dataset; reading it whole succeeds, is refused, or check says why."""
    write_dataset(folder / "whole")
    files = [path.name for path in sorted((folder / "whole").iterdir()) if path.is_file()]
    contents = {name: (folder / "whole" / name).read_bytes() for name in files}
    spoilt = folder / "spoilt"
    shutil.copytree(folder / "whole", spoilt)

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(files), cuts)
    def run(name: str, cut: tuple[str, float, bytes]) -> None:
        (spoilt / name).write_bytes(mutated(contents[name], cut))

        def read() -> None:
            dataset = open_dataset(spoilt)
            check_dataset(dataset)
            dataset.features(TrialConfig()).visual.sum()
            dataset.truth("val", segments=3)
            dataset.verify()

        try:
            refused_or("dataset", read)
        finally:
            (spoilt / name).write_bytes(contents[name])
            shutil.rmtree(spoilt / "cache", ignore_errors=True)

    run()


def fuzz_ingest(folder: Path, examples: int) -> None:
    """Mutate a file of feature folders; the output is a whole dataset or nothing at all."""
    source = np.random.default_rng(0)
    for name, shape in (("audio", (60, 128)), ("maps", (10, 8, 2, 2))):
        (folder / name).mkdir()
        for record in RECORDS:
            array = source.random(shape, dtype=np.float32)
            np.save(folder / name / f"{record['video_id']}.npy", array)
    for place, split in enumerate(SPLITS):
        records = [{**r, "question_id": 10 * place + r["question_id"]} for r in RECORDS]  # type: ignore[operator]
        (folder / f"{split}.json").write_text(json.dumps(records))
    files = [path for path in sorted(folder.rglob("*.*")) if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    out = folder / "out" / "made"

    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.sampled_from(files), cuts, st.booleans())
    def run(path: Path, cut: tuple[str, float, bytes], skip_bad: bool) -> None:
        path.write_bytes(mutated(contents[path], cut))
        plan = IngestPlan(
            questions={split: folder / f"{split}.json" for split in SPLITS},
            audio=folder / "audio",
            visual={GLOVE: folder / "maps"},
            out=out,
            name="made",
            text=TextPlan(tokens=(GLOVE,)),
            skip_bad=skip_bad,
            threads=1,
        )
        try:
            made = refused_or("ingest", lambda: _ingest_whole(plan))
            left = [p.name for p in out.parent.iterdir()] if out.parent.exists() else []
            assert left == (["made"] if made else []), f"partial output {left}"
        finally:
            path.write_bytes(contents[path])
            shutil.rmtree(out.parent, ignore_errors=True)

    run()


def _ingest_whole(plan: IngestPlan) -> None:
    ingest(plan, say=lambda _text: None)
    open_dataset(plan.out).verify()


def main() -> None:
    """Run the three kinds in their shares and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    examples = parser.parse_args().examples
    kinds = (fuzz_question_files, fuzz_datasets, fuzz_ingest)
    started = time.perf_counter()
    for fuzz, share in zip(kinds, SHARES.values(), strict=True):
        with tempfile.TemporaryDirectory() as folder:
            fuzz(Path(folder), max(1, round(examples * share)))
    took = time.perf_counter() - started
    figures = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))
    print(f"{sum(outcomes.values())} inputs in {took:.0f} s: {figures}")


if __name__ == "__main__":
    main()
