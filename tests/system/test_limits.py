"""A sweep stops when its budget is spent or somebody asks, says so, and goes on as if never."""

import json

import pytest

pytestmark = pytest.mark.system


def test_a_spent_budget_stops_and_the_same_command_without_it_goes_on(desk, expected, webhook):
    url, got = webhook
    _, said = desk.run(*desk.sweep_args("--max-hours", "0.0001", "--notify", url), code=130)

    assert "--max-hours 0.0001 is reached" in said
    assert [message["title"] for message in got] == ["Sweep tau stopped"]
    assert "missing" in got[0]["body"]

    desk.run(*desk.sweep_args("--notify", url))
    assert desk.results() == expected
    assert [message["title"] for message in got][1:] == ["Sweep tau finished"]


SIZES = """
[tables.sizes]
title = "Sizes"
columns = ["all", "params_m"]
[tables.sizes.rows]
"wide" = { model.width = 32 }
"narrow" = { model.width = 16 }

[claims.narrow]
sentence = "The narrow network is smaller."
contrasts."Param." = { plus = "sizes: wide", minus = "sizes: narrow", column = "params_m" }
"""


def test_a_claim_is_told_of_when_it_is_decided_and_not_again(desk, webhook):
    url, got = webhook
    (desk.folder / "sizes.toml").write_text(SIZES)
    sweep = ("sweep", "sizes.toml", "--seeds", "0", "--epochs", "2")
    typed = desk.sweep_args("--notify", url, sweep=sweep)

    desk.run(*typed, "--max-hours", "0.0001", code=130)
    desk.run(*typed)
    desk.run(*typed)

    assert [message["title"] for message in got] == [
        "Sweep sizes stopped",
        "Sweep sizes: a claim is decided",
        "Sweep sizes finished",
        "Sweep sizes finished",
    ]
    assert "holds: The narrow network is smaller. (Param. +" in got[1]["body"]


def test_a_sweep_is_stopped_from_another_process(desk, killed):
    driver = desk.start(*desk.sweep_args("--epochs", "400"))
    killed.append(driver)
    desk.wait_for_epoch(driver, 1)
    out, _ = desk.run("status", "--tracking-uri", desk.tracking, "--format", "json")
    [listed] = json.loads(out)["sweeps"]
    assert listed["status"] == "running"
    assert f"(process {driver.pid})" in listed["driver"]

    _, said = desk.run("stop", "tau", "--tracking-uri", desk.tracking)
    assert "Asked sweep 'tau'" in said
    _, said = driver.communicate(timeout=240)

    assert driver.returncode == 130
    assert "somebody asked for it with `tass-cli stop`" in said
    _, said = desk.run("stop", "tau", "--tracking-uri", desk.tracking, code=2)
    assert "is not running: stopped" in said
