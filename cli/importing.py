"""``tass-cli import``: results of others, beside one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.command import Command, option
from cli.options import (
    OUTPUT,
    WHAT,
    base_config,
    console,
    data_option,
    resolve_dataset,
    set_option,
    tracking_option,
)
from tracking.uris import resolve_uri


@click.group("import")
def importing() -> None:
    """Take results of others into MLflow, to stand beside one's own."""


@importing.command("predictions", cls=Command)
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@option("--as", "name", required=True, metavar="NAME", group=WHAT, help="What to call the row.")
@set_option
@data_option
@tracking_option
def predictions(
    files: tuple[Path, ...],
    name: str,
    overrides: tuple[str, ...],
    data_path: Path | None,
    tracking_uri: str | None,
) -> None:
    """Take a rival's answers to the test questions, and compare them with the full model.

    A FILE is JSON or CSV of question id and answer, or Parquet as tass-lab writes it; several are
    the rival's seeds. All test questions must be answered, each by one of the classes. The full
    model's trials of the same seeds, 0 for one file, are looked up in MLflow.

    \b
    Example:
      tass-cli import predictions cuespace.json --as CueSpace --data data/avqa
      tass-cli tables import-cuespace
    """
    # Here, not above: torch is wanted only now.
    from jobs.rivals import publish
    from tass_core.evaluation.imported import import_predictions

    dataset = resolve_dataset(data_path)
    answers = [import_predictions(path, dataset) for path in files]
    sweep = publish(
        name,
        answers,
        dataset=dataset,
        base=base_config(dataset, overrides),
        uri=resolve_uri(tracking_uri),
        command=" ".join(["tass-cli", *sys.argv[1:]]),
    )
    right = ", ".join(f"{100 * float(found.correct.mean()):.2f}" for found in answers)
    console.print(f"{name}: {right}% of {len(answers[0].question_id)} test questions.")
    console.print(f"See it beside the full model with: tass-cli tables {sweep}")


@importing.command("checkpoint", cls=Command)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    group=OUTPUT,
    help="The checkpoint folder to write.",
)
@set_option
@data_option
def checkpoint(
    file: Path, output: Path, overrides: tuple[str, ...], data_path: Path | None
) -> None:
    """Take released weights of AVST as a checkpoint of ours.

    FILE is the public code's file of weights; it is read with weights alone and can run no code.
    The dataset must have ResNet-18's features, and words and answers in the public order.

    \b
    Example:
      tass-cli import checkpoint avst.pt --data data/avqa --output checkpoints/avst
      tass-cli evaluate checkpoints/avst --data data/avqa
    """
    # Here, not above: torch is wanted only now.
    from tass_core.released import import_released

    dataset = resolve_dataset(data_path)
    public = ("system=avst", "model.encoder=resnet18-glove", "model.width=512")
    config = base_config(dataset, (*public, *overrides))
    import_released(file, config, dataset, output)
    console.print(f"Wrote {output}.")
