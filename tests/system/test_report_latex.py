"""The LaTeX of every table compiles as it stands, where a TeX engine is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from evidence.tables import collect
from reports.render import render
from tests.reports.runs import write_sweep

pytestmark = pytest.mark.system

ENGINES = {
    "pdflatex": ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
    "xelatex": ["xelatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
    "tectonic": ["tectonic", "--only-cached", "tables.tex"],
}


def test_all_tables_compile_with_holes_and_special_characters(tmp_path: Path) -> None:
    engine = next((command for name, command in ENGINES.items() if shutil.which(name)), None)
    if engine is None:
        pytest.skip(f"none of {', '.join(ENGINES)} is installed")
    keys = ("table1", "table2", "table3", "table4", "table5", "table6", "table7", "lambda")
    sweep = write_sweep(tmp_path, keys=keys, seeds=(0, 1))
    client = MlflowClient(tracking_uri=sweep.uri)
    run = sweep.run("table2", "w/o L_s", 1)
    client.set_tag(run, "tass.reason", r"50% of {A & B} #1 ~ ^ \ $x$ <0> naïve 損失")
    client.set_terminated(run, "FAILED")
    (tmp_path / "tables.tex").write_text(render(collect(sweep.snapshot()), "latex"))
    done = subprocess.run(engine, cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
    assert b"undefined" not in done.stdout.lower().replace(b"font shape undefined", b"")
