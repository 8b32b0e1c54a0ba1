"""Ray's map over videos: the same dataset by several workers, and what a worker cannot do."""

import subprocess
import sys

import pytest

from jobs.extract import RayMap
from tass_core.data.extract.parts import ExtractSettings, Parts
from tass_core.data.extract.pipeline import PartMaker, extract
from tass_core.data.folder.dataset import open_dataset
from tass_core.errors import DataError
from tests import ROOT
from tests.tass_core.data.extract.test_pipeline import plan, root  # noqa: F401 - a fixture


@pytest.mark.system
def test_workers_of_ray_make_the_same_dataset(root):  # noqa: F811
    extract(plan(root))
    extract(plan(root, out=root / "again"), RayMap(workers=2))
    fingerprints = {open_dataset(root / name).fingerprint for name in ("made", "again")}
    assert len(fingerprints) == 1


@pytest.mark.system
@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cuda", "Ray sees no GPU on any node; extract with --device cpu"),
        ("cpu", "damaged, or other weights|needs '|does not work with the installed torch"),
    ],
)
def test_what_no_worker_can_do_ends_the_run_with_its_own_message(tmp_path, device, reason):
    settings = ExtractSettings(encoders=("resnet18-glove",))
    (tmp_path / "resnet18-f37072fd.pth").write_text("broken")
    make = PartMaker(settings, Parts(tmp_path / "parts", settings), tmp_path, device)
    with pytest.raises(DataError, match=reason):
        list(RayMap(workers=1)(make, [("one", tmp_path / "one.mp4")]))


def test_importing_the_job_imports_neither_ray_nor_the_extra():
    program = (
        "import sys, jobs.extract\n"
        "assert not {'ray', 'av', 'torchvision', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(ROOT)})
