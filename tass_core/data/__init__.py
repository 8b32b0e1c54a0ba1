"""Datasets: the folder they live in, its reader and writer, and MUSIC-AVQA's questions."""

from tass_core.data.dataset import Dataset, open_dataset
from tass_core.data.layout import AUDIO_WIDTH, SPLITS, EncoderLayout
from tass_core.data.music_avqa import (
    ANSWERS,
    AVERAGES,
    INSTRUMENTS,
    QUESTION_TYPES,
    TEMPLATES,
)
from tass_core.data.questions import RawQuestion, parse_questions, read_questions
from tass_core.data.records import Features, Questions, Shapes, Truth
from tass_core.data.store import DatasetWriter

__all__ = [
    "ANSWERS",
    "AUDIO_WIDTH",
    "AVERAGES",
    "INSTRUMENTS",
    "QUESTION_TYPES",
    "SPLITS",
    "TEMPLATES",
    "Dataset",
    "DatasetWriter",
    "EncoderLayout",
    "Features",
    "Questions",
    "RawQuestion",
    "Shapes",
    "Truth",
    "open_dataset",
    "parse_questions",
    "read_questions",
]
