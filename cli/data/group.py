"""``tass-cli data``: the group of what makes datasets and what looks into them."""

from __future__ import annotations

import click

from cli.lazy import LazyGroup, Place

COMMANDS = {
    "make": Place("cli.data.make", "make", "Make a procedural music world."),
    "ingest": Place("cli.data.ingest", "ingest_command", "Make a dataset from feature folders."),
    "render": Place("cli.data.render", "render_command", "Render a world as mp4 files."),
    "extract": Place("cli.data.extract", "extract_command", "Make a dataset from videos."),
    "info": Place("cli.data.info", "info_command", "Show what is in a dataset."),
    "check": Place("cli.data.info", "check_command", "Report what is wrong with a dataset."),
}


@click.group(cls=LazyGroup, places=COMMANDS)
def data() -> None:
    """Make, inspect and check datasets.

    \b
    A procedural world:   tass-cli data make --preset demo --output data/demo
    Feature folders:      tass-cli data ingest --questions avqa-*.json --audio ... --visual ...
    Videos:               tass-cli data extract --videos DIR --questions avqa-*.json --output DIR
    Rendered videos:      tass-cli data render --preset small --output media
    """
