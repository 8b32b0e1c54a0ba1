"""A training epoch against the public recipe's, data pipeline included, at the same shapes.

The public recipe is re-created from what is known of the conference version's code: one
``.npy`` file for each video, twelve loads for each sample (its audio, its frames, and a file
for the mismatched frame of each of ten segments), two ``DataLoader`` workers, a normalised
copy of every map, and mismatched frames grounded in a pass of their own. Both train on ten
segments of 14 x 14 x 512, 64 questions to a batch, every question on a video of its own, from
files that the system has in its cache.

Eight batches are the fewest that show the recipe's pace: its workers read the first four while
nothing else runs.

Run ``python -m benchmarks.public_recipe [--videos N] [--threads N]``.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness import GLOVE, begin, options
from benchmarks.tables import print_table
from jobs.machine.allocator import keep_memory
from jobs.machine.speed import CONFERENCE, Data
from tass_core.training.groups import Solo, take_step

SEGMENTS, SIDE, WIDTH, ANSWERS = 10, 14, 512, 42
WORKERS = 2


class Recipe(nn.Module):
    """The conference version's network, written the usual way."""

    def __init__(self) -> None:
        super().__init__()
        d = WIDTH
        self.audio = nn.Sequential(nn.Linear(128, d), nn.ReLU(), nn.Linear(d, d))
        self.embedding = nn.Embedding(93, d)
        self.question_lstm, self.question = nn.LSTM(d, d, batch_first=True), nn.Linear(2 * d, d)
        self.target = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d))
        self.ground = nn.Linear(2 * d, d)
        self.match = nn.Sequential(
            *(nn.Linear(2 * d, d), nn.ReLU(), nn.Linear(d, d // 2), nn.ReLU()),
            *(nn.Linear(d // 2, d // 4), nn.ReLU(), nn.Linear(d // 4, 2)),
        )
        self.visual_lstm = nn.LSTM(d, d // 2, batch_first=True, bidirectional=True)
        self.audio_lstm = nn.LSTM(d, d // 2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(d, 4, dropout=0.1, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Dropout(0.2), nn.Linear(d, d))
        self.norm = nn.LayerNorm(d)
        self.fusion, self.classify = nn.Linear(2 * d, d), nn.Linear(d, ANSWERS)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits [B, answers] and match logits [B * T, 2] of true and other frames."""
        audio = self.audio(batch["audio"])  # [B, T, D]
        words = torch.tanh(self.embedding(batch["tokens"]))
        states, (hidden, cell) = self.question_lstm(words)
        question = self.question(torch.tanh(torch.cat([hidden[0], cell[0]], dim=-1)))
        looked_at = (states @ question.unsqueeze(-1)).squeeze(-1).softmax(dim=-1).argmax(dim=-1)
        target = self.target(states[torch.arange(len(states)), looked_at])
        flat_audio = audio.flatten(0, 1)
        flat_target = target.repeat_interleave(SEGMENTS, dim=0)
        visual, true = self.grounded(batch["visual"], flat_audio, flat_target)
        _, other = self.grounded(batch["other"], flat_audio, flat_target)
        return self.answer(visual.view_as(audio), audio, question), true, other

    def grounded(self, maps: Tensor, audio: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return frames [B * T, D] and match logits [B * T, 2] of maps [B, T, C, H, W]."""
        maps = maps.flatten(0, 1)
        mean = functional.adaptive_avg_pool2d(maps, (1, 1)).flatten(1)
        regions = functional.normalize(maps.flatten(2).permute(0, 2, 1), dim=-1)
        scores = [
            (regions @ functional.normalize(query, dim=-1).unsqueeze(-1)).softmax(dim=1)
            for query in (audio, target)
        ]
        joint = scores[0] + scores[1]
        weights = (joint * (joint > 0.01)).softmax(dim=1)
        seen = (regions.permute(0, 2, 1) @ weights).squeeze(-1)
        frame = torch.tanh(self.ground(torch.cat([mean, seen], dim=-1)))
        return frame, self.match(torch.cat([audio, frame], dim=-1))

    def answer(self, visual: Tensor, audio: Tensor, question: Tensor) -> Tensor:
        """Return the answer's logits [B, answers]."""
        both = torch.tanh(torch.cat([audio, visual], dim=-1).mean(dim=1))
        visual, audio = self.visual_lstm(visual)[0], self.audio_lstm(audio)[0]
        stream = torch.stack([visual, audio], dim=2).flatten(1, 2)
        seen = self.attention(question.unsqueeze(1), stream, stream)[0].squeeze(1)
        attended = self.norm(seen + self.feed(seen))
        return self.classify(torch.tanh((attended + self.fusion(both)) * question))


class Files(Dataset[dict[str, Any]]):
    """One sample is twelve files."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.folder, self.data = folder, data

    def __len__(self) -> int:
        return len(self.data.questions)

    def __getitem__(self, index: int) -> dict[str, Any]:
        others = np.random.default_rng(index).integers(0, len(self), SEGMENTS)
        assert self.data.features.tokens is not None
        return {
            "audio": np.load(self.folder / f"audio-{index}.npy"),
            "visual": np.load(self.folder / f"visual-{index}.npy"),
            "other": np.stack(
                [
                    np.load(self.folder / f"visual-{other}.npy")[segment]
                    for segment, other in enumerate(others)
                ]
            ),
            "tokens": self.data.features.tokens[index],
            "answer": int(self.data.questions.answer[index]),
        }


def write_files(folder: Path, videos: int) -> Data:
    """Write the same random features both ways; return them as the platform maps them."""
    data = Data.random(GLOVE, CONFERENCE, videos)
    for index in range(videos):
        frames = data.features.visual[index].astype(np.float32)
        maps = frames.transpose(0, 2, 1).reshape(SEGMENTS, WIDTH, SIDE, SIDE)
        np.save(folder / f"visual-{index}.npy", maps)
        np.save(folder / f"audio-{index}.npy", data.features.audio[index].astype(np.float32))
    np.save(folder / "store.npy", data.features.visual)
    mapped = np.load(folder / "store.npy", mmap_mode="r")
    return replace(data, features=replace(data.features, visual=mapped))


def recipe_epochs(folder: Path, data: Data) -> Iterator[float]:
    """Yield the seconds of one epoch after another of the public recipe."""
    torch.manual_seed(0)
    network = Recipe()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)
    loader = DataLoader(
        Files(folder, data), batch_size=64, shuffle=True, num_workers=WORKERS, pin_memory=False
    )
    while True:
        start = time.perf_counter()
        for batch in loader:
            optimiser.zero_grad()
            logits, true, other = network(batch)
            pairs = torch.cat([true, other])
            matched = torch.cat([torch.ones(len(true)), torch.zeros(len(other))]).long()
            loss = functional.cross_entropy(logits, batch["answer"])
            loss = loss + 0.5 * functional.cross_entropy(pairs, matched)
            loss.backward()
            optimiser.step()
            loss.item()
        yield time.perf_counter() - start


def our_epochs(data: Data, precision: str) -> Iterator[float]:
    """Yield the seconds of one epoch after another of the platform's trainer."""
    data = replace(data, config=data.config.replace("optimiser.precision", precision))
    (member,), source, epoch = data.members(1, "cpu"), data.source(), 0
    group = Solo(member)
    while True:
        epoch += 1
        start = time.perf_counter()
        member.start_epoch(epoch)
        for step, batch in enumerate(source.training(0, epoch)):
            take_step(group, batch, epoch, step)
        member.epoch_losses(len(data.questions))
        yield time.perf_counter() - start


def main() -> None:
    """Measure both in turn and print the ratio of the fastest epochs."""
    parser = options(__doc__)
    parser.add_argument("--videos", type=int, default=512, help="videos, and questions")
    parser.add_argument("--repeats", type=int, default=3)
    given = begin(parser, keep=False)
    with tempfile.TemporaryDirectory(prefix="tass-recipe-") as name:
        folder = Path(name)
        data = write_files(folder, given.videos)
        seconds = {"public recipe, re-created": best(recipe_epochs(folder, data), given.repeats)}
        keep_memory()
        for precision in ("float32", "bf16"):
            seconds[f"TASS Lab, {precision}"] = best(our_epochs(data, precision), given.repeats)
    questions, (recipe, *_) = given.videos, seconds.values()
    rows = []
    for name, taken in seconds.items():
        speed = questions / taken
        minutes = 31_927 / speed / 60
        ratio = f"{recipe / taken:.1f}x"
        rows.append((name, f"{taken:.2f}", f"{speed:.1f}", f"{minutes:.1f}", ratio))
    columns = ("seconds", "questions/s", "min for 31,927", "times as fast")
    print_table((f"epoch of {questions} questions", *columns), rows)


def best(epochs: Iterator[float], repeats: int) -> float:
    """Return the seconds of the fastest of the epochs asked for."""
    return min(itertools.islice(epochs, repeats))


if __name__ == "__main__":
    main()
