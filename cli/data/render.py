"""``tass-cli data render``: the procedural world as videos of clip art and soundfonts."""

from __future__ import annotations

from pathlib import Path

import click

from cli.command import Command, option
from cli.data.options import DATASET, out_option, progress_bar, seed_option
from cli.options import force_option
from tass_core.data.media.render import MEDIA_PRESETS, VIDEOS, MediaPreset, Recipe, render

_SIZES = ", ".join(f"{preset} {sum(VIDEOS[preset].values()):,}" for preset in MEDIA_PRESETS)


@click.command("render", cls=Command)
@option(
    "--preset",
    type=click.Choice(MEDIA_PRESETS),
    default="small",
    show_default=True,
    group=DATASET,
    help=f"Videos: {_SIZES}.",
)
@out_option
@seed_option
@force_option
def render_command(preset: MediaPreset, out: Path, seed: int, force: bool) -> None:
    """Render the procedural world as mp4 files of clip art and soundfonts.

    A stopped run continues when the same command is given again. What it needs, and whose it
    is, stands in docs/media.md.

    \b
    tass-cli data render --preset small --output media
    tass-cli data extract --videos media/videos --questions media/avqa-*.json --encoder lite \\
      --output data/rendered
    """
    with progress_bar("render") as advance:
        counts = render(Recipe(preset, seed), out, force=force, progress=advance)
    asked = ", ".join(f"{count} {split}" for split, count in counts.items())
    click.echo(f"{out}: questions {asked}")
