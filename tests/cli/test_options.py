"""Options that commands share, in words and as values."""

import pytest

from cli.display import look
from cli.options import parse_seeds
from tass_core.errors import SweepError


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [(None, None, (0, 1, 2)), ("3,1", None, (3, 1)), (None, 3, (0, 1, 2))],
)
def test_seeds_are_listed_or_counted(text, count, expected):
    assert parse_seeds(text, count) == expected


@pytest.mark.parametrize(("text", "count"), [("0,0", None), ("a", None), ("-1", None), ("1", 2)])
def test_malformed_seeds_are_refused(text, count):
    with pytest.raises(SweepError, match="seeds"):
        parse_seeds(text, count)


def test_where_to_look_is_said_without_a_password():
    assert look("http://me:secret@host:5000") == "look: http://host:5000"
    assert look("postgresql+psycopg://me:secret@db/tass") == "look: postgresql+psycopg://db/tass"
