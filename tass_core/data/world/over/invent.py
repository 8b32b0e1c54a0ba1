"""A world over real questions: for every real video a scene that its real answers describe."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tass_core.data.folder.description import SPLITS
from tass_core.data.ingest.sources import Account, Progress, assign_splits, gather
from tass_core.data.music_avqa.questions import RawQuestion
from tass_core.data.music_avqa.vocabulary import QUESTION_TYPES
from tass_core.data.world.asking import Question
from tass_core.data.world.build import Video, build, describe
from tass_core.data.world.listening import Listener, Settled
from tass_core.data.world.make import resized
from tass_core.data.world.over.drafts import Draft
from tass_core.data.world.over.repairs import repair
from tass_core.data.world.presets import size_of
from tass_core.data.world.sampling import dress
from tass_core.data.world.scene import Scene
from tass_core.data.world.seeds import generator
from tass_core.data.world.templates import find_template
from tass_core.errors import DataError

STORED_T2 = 6
"""Real question files name thousands of videos, so features are stored pooled by default."""

SPLIT_FRACTION = 0.6
"""Share of a file's videos that a carved train split takes."""

ATTEMPTS = 3
CHANGES = 60
"""How often a scene is begun anew, and changed each time, before some answers are given up."""

SETBACK = 0.15
"""How often a change is kept that breaks more than it mends."""

MOST_PARTS = 16
"""Sources that a scene holds at most; "more than ten" needs eleven of one kind."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OverReport:
    """How a world over real questions came out."""

    path: Path
    videos: int
    questions: Mapping[str, int]
    """By split."""
    type_counts: Mapping[str, Mapping[str, int]]
    """Questions by split and type."""
    unmet: Mapping[str, int]
    """Questions by type whose real answer is not true of the scene invented for their video."""

    shared: int
    """Videos of train that val or test ask about as well."""
    left_out: int
    """Records that could not be used."""

    @property
    def unmet_total(self) -> int:
        """Questions that could not be satisfied together with their video's others."""
        return sum(self.unmet.values())


def make_world_over(
    question_files: Sequence[Path | str],
    path: Path | str,
    *,
    preset: str = "demo",
    seed: int = 0,
    split_from: Path | str | None = None,
    split_fraction: float = SPLIT_FRACTION,
    stored_t2: int | None = STORED_T2,
    name: str | None = None,
    skip_bad: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> OverReport:
    """Invent a scene for every video of real question files and render its features.

    Every question keeps its real answer. Where a video's answers contradict one another, or
    the world's rules, as many as can be are made true and the others are counted.

    Args:
        question_files: MUSIC-AVQA's files; their names say train, val or test.
        path: the dataset folder to make.
        preset: whose feature shapes and settings to use.
        seed: decides everything that the questions leave open.
        split_from: when there is no train file, the one of the files to carve it out of.
        split_fraction: the share of that file's videos, with all its questions on them, that
            becomes the train split.
        stored_t2: seconds to a stored segment.
        name: the dataset's name; None takes the folder's.
        skip_bad: leave out records that cannot be used, and list them in ``left-out.csv``.
        force: replace a dataset that is already there.
        progress: called with (videos rendered, all videos).

    Raises:
        DataError: the files are unusable, have no train split and none is carved, or the
            folder cannot be written.
    """
    files = assign_splits([Path(file) for file in question_files])
    account = Account(skip_bad)
    questions = _with_train(files, _read(files, account), split_from, split_fraction, seed)
    size = resized(size_of(preset), stored_t2)
    videos, unmet = imagine_over(questions, size.seconds, size.grid, seed)
    description = describe(
        size,
        videos,
        name=name or Path(path).name,
        provenance="procedural-over-real-questions",
        description="Real questions and answers over invented scenes and procedural features.",
        notes={
            "preset": preset,
            "seed": seed,
            "files": [file.name for file in files.values()],
            "split_from": None if split_from is None else Path(split_from).name,
            "split_fraction": None if split_from is None else split_fraction,
            "unmet": dict(unmet),
        },
    )
    made = build(
        path, description, videos, size, seed=seed, force=force, account=account, progress=progress
    )
    counts = {split: Counter(item.type for item in asked) for split, asked in questions.items()}
    return OverReport(
        path=made,
        videos=len(videos),
        questions={split: len(asked) for split, asked in questions.items()},
        type_counts={
            split: {kind: found[kind] for kind in QUESTION_TYPES} for split, found in counts.items()
        },
        unmet=unmet,
        shared=_shared(questions),
        left_out=len(account.items),
    )


def imagine_over(
    questions: Mapping[str, Sequence[RawQuestion]],
    seconds: int,
    grid: tuple[int, int],
    seed: int,
) -> tuple[list[Video], dict[str, int]]:
    """Invent a scene for every video; return them and the unmet questions by type."""
    asked: dict[str, list[tuple[str, RawQuestion]]] = defaultdict(list)
    for split, found in questions.items():
        for question in found:
            asked[question.video_id].append((split, question))
    videos, unmet = [], dict.fromkeys(QUESTION_TYPES, 0)
    for row, video_id in enumerate(sorted(asked)):
        rng = generator(seed, "invented scene", row)
        scene = invent(rng, [question for _, question in asked[video_id]], seconds, grid)
        listener = Listener(scene)
        entries: dict[str, list[Question]] = {split: [] for split in SPLITS}
        for split, question in asked[video_id]:
            settled = _settle(listener, question)
            unmet[question.type] += settled is None
            entries[split].append(Question(question, settled))
        videos.append(Video(video_id, scene, entries))
    return videos, unmet


def invent(
    rng: np.random.Generator,
    questions: Sequence[RawQuestion],
    seconds: int,
    grid: tuple[int, int],
) -> Scene:
    """Search for a scene that gives as many of the questions as possible their real answers.

    A local search: take a question with a wrong answer, change the scene to mend it, keep the
    change unless it breaks more than it mends (or, now and then, all the same).
    """
    known = [question for question in questions if _answerable(question)]
    best, best_score = Draft(rng, seconds, grid), -1
    for _ in range(ATTEMPTS):
        draft = Draft(rng, seconds, grid)
        wrong = _wrong(draft, known)
        for _ in range(CHANGES):
            if len(known) - len(wrong) > best_score:
                best, best_score = draft, len(known) - len(wrong)
            if not wrong:
                break
            question = wrong[int(rng.integers(len(wrong)))]
            changed = draft.copy()
            repair(changed, question)
            if len(changed.parts) > MOST_PARTS:
                continue
            left = _wrong(changed, known)
            if len(left) <= len(wrong) or rng.random() < SETBACK:
                draft, wrong = changed, left
        if best_score == len(known):
            break
    sources = [best.source(part) for part in best.parts]
    return dress(rng, sources, seconds=seconds, grid=grid, place=best.place)


def _answerable(question: RawQuestion) -> bool:
    """Whether some scene may give a question its answer: a side cannot be "piano"."""
    return question.known_template and question.answer in find_template(question.content).prior


def _wrong(draft: Draft, questions: Sequence[RawQuestion]) -> list[RawQuestion]:
    listener = Listener(draft.scene())
    return [question for question in questions if _settle(listener, question) is None]


def _settle(listener: Listener, question: RawQuestion) -> Settled | None:
    """Return what settles a question when it settles it as the real answer does."""
    if not question.known_template:
        return None
    settled = find_template(question.content).rule(listener, *question.values)
    return settled if settled is not None and settled.answer == question.answer else None


def _read(files: Mapping[str, Path], account: Account) -> dict[str, list[RawQuestion]]:
    sources = gather(files, account, _log.info)
    return {split: list(asked) for split, asked in sources.questions.items()}


def _shared(questions: Mapping[str, Sequence[RawQuestion]]) -> int:
    videos = {split: {item.video_id for item in asked} for split, asked in questions.items()}
    others = set().union(*(found for split, found in videos.items() if split != "train"))
    return len(videos["train"] & others)


def _with_train(
    files: Mapping[str, Path],
    questions: dict[str, list[RawQuestion]],
    split_from: Path | str | None,
    split_fraction: float,
    seed: int,
) -> dict[str, list[RawQuestion]]:
    """Return the questions by split, with a train split carved out of one by video."""
    if split_from is None:
        if "train" not in files:
            named = " and ".join(str(file) for file in files.values())
            raise DataError(
                f"{named}: there is no train file; add it, or carve a train split out of one of "
                f"these with --split-from {list(files.values())[-1]}"
            )
        return questions
    split = next((s for s, f in files.items() if f.resolve() == Path(split_from).resolve()), None)
    if split is None or "train" in files:
        reason = "there is a train file already" if "train" in files else "it is not among them"
        raise DataError(f"--split-from {split_from}: {reason}; give one of the question files")
    if not 0 < split_fraction < 1:
        raise DataError(f"split_fraction = {split_fraction:g} is out of range; allowed: (0, 1)")
    videos = sorted({question.video_id for question in questions[split]})
    order = generator(seed, "carved split").permutation(len(videos))
    chosen = {videos[place] for place in order[: round(split_fraction * len(videos))]}
    carved = [question for question in questions[split] if question.video_id in chosen]
    rest = [question for question in questions[split] if question.video_id not in chosen]
    if not carved or not rest:
        raise DataError(f"{split_from}: too few videos to carve a train split out of it")
    return {"train": carved, **{s: rest if s == split else q for s, q in questions.items()}}
