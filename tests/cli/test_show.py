"""`tass-cli show` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from tass_core.checkpoints import save_checkpoint
from tass_core.config import TrialConfig
from tass_core.data.folder.dataset import open_dataset
from tass_core.data.world.make import make_world
from tass_core.errors import ReportError
from tass_core.systems import build_network
from tass_core.trial import Trial


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset `world` and a checkpoint `checkpoint`."""
    folder = tmp_path_factory.mktemp("show")
    world = open_dataset(make_world("tiny", folder / "world", seed=0))
    config = TrialConfig().with_values(dict(world.base))
    model = build_network(config, world.shapes(config))
    save_checkpoint(folder / "checkpoint", model, Trial(config, 0), world, {})
    return folder


def test_a_question_is_drawn_as_png_and_svg(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["show", str(trained / "checkpoint"), "--data", str(trained / "world")]
    result = CliRunner().invoke(cli, [*arguments, "--question", "10001"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "Question 10001 (test, " in result.output
    assert (tmp_path / "figures" / "question-10001.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "figures" / "question-10001.svg").read_text()


def test_without_a_question_examples_are_offered(trained: Path) -> None:
    arguments = ["show", str(trained / "checkpoint"), "--data", str(trained / "world")]
    with pytest.raises(ReportError, match=r"--question ID is missing; .* a_count"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
