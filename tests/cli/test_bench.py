"""`tass-cli bench`: figures of this machine, and plans that use them."""

import json
from dataclasses import replace

import pytest

from jobs.machine import bench, speed

PLAN = ("plan", "tau", "--data", "world", "--set", "data.t2=4", "--tracking-uri")


@pytest.fixture(scope="module")
def measured(shell):
    """All that the command measures, at small shapes in place of the paper's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PAPER", "CONFERENCE"):
            small = replace(getattr(bench, name), segments=2, regions=4, visual=16)
            patch.setattr(bench, name, small)
        patch.setattr(speed, "PRODUCTS", ((256, 256, 256),))
        return shell(
            *("bench", "--data", "world", "--set", "data.t2=4", "--widths", "2"),
            *("--output", "bench.json", "--format", "json"),
        )


@pytest.mark.system
def test_every_figure_is_there_and_positive(measured, shell):
    found = json.loads(measured[0])
    for name in ("matmul_flops", "bandwidth", "epoch_seconds", "process_seconds", "pack_seconds"):
        assert found[name] > 0, name
    assert [set(step["rates"]) for step in found["steps"]] == [{"1", "2"}] * 3
    assert all(step["share_of_peak"] > 0 for step in found["steps"])
    layouts = [
        [(one["packs"], one["threads"]) for one in step["layouts"]] for step in found["steps"]
    ]
    assert all(packs * threads <= found["cores"] for step in layouts for packs, threads in step)
    assert all(layouts)
    assert found["ablations_at_paper_size"]["trials"] % 5 == 0
    assert found == json.loads((shell.folder / "bench.json").read_text())
    assert "Kept in bench.json" in measured[1]


def one_line(text):
    return " ".join(text.split())


@pytest.mark.system
def test_a_plan_without_a_past_uses_them_and_says_so(measured, shell):
    absent = "sqlite:///absent.db"
    out, _ = shell(*PLAN, absent)
    assert (
        "unknown: no past trial on this dataset, and tass-cli bench has not run here"
        in one_line(out)
    )

    cache = shell.folder / "cache"
    cache.mkdir(exist_ok=True)
    (cache / "bench.json").write_text(measured[0])
    try:
        out, _ = shell(*PLAN, absent)
        found = json.loads(shell(*PLAN, absent, "--format", "json")[0])["seconds"]
    finally:
        (cache / "bench.json").unlink()
    source = "from tass-cli bench: no past trial on this dataset; start-up not included"
    assert source in one_line(out)
    assert found["source"] == "benchmark"
    assert 0 < found["low"] < found["expected"] < found["high"]


def test_a_device_that_is_not_there_is_refused(shell):
    _, err = shell("bench", "--data", "world", "--device", "gpu", code=2)
    assert "--device gpu is unknown; allowed: cpu, cuda, cuda:N" in err
