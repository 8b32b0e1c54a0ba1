"""What a worker process has to import, and what it must not wait for."""

import subprocess
import sys

from tests import ROOT


def imported_by(module):
    code = f"import sys, {module}; print(*sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(found.stdout.split())


def test_workers_import_neither_mlflow_nor_optuna_nor_ray_train():
    modules = imported_by("jobs.worker.entry")

    assert not {"mlflow", "optuna", "ray.train", "click", "pandas"} & modules


def test_deployment_files_do_not_hide_the_mlflow_library():
    assert (ROOT / "mlflow").is_dir()
    assert not (ROOT / "mlflow" / "__init__.py").exists()
