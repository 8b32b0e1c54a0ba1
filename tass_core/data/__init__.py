"""Datasets: the folder they live in, its reader and writer, and MUSIC-AVQA's questions."""

from tass_core.data.folder.dataset import Dataset, open_dataset
from tass_core.data.folder.description import AUDIO_WIDTH, SPLITS, EncoderLayout
from tass_core.data.folder.records import Features, Questions, Shapes, Truth
from tass_core.data.folder.writer import DatasetWriter
from tass_core.data.music_avqa.questions import RawQuestion, parse_questions, read_questions
from tass_core.data.music_avqa.vocabulary import (
    ANSWERS,
    AVERAGES,
    INSTRUMENTS,
    QUESTION_TYPES,
    TEMPLATES,
)

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
