"""New tracking stores. MLflow takes more than a second to set one up; a copy takes none."""

import functools
import tempfile
from pathlib import Path

from tracking.connect import connect


def new_store(folder: Path, name: str = "mlflow.db") -> str:
    """Put an empty MLflow database into a folder and return its URI."""
    (folder / name).write_bytes(_empty())
    return f"sqlite:///{folder / name}"


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        connect(f"sqlite:///{path}")
        return path.read_bytes()
