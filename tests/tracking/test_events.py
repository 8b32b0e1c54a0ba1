"""Events survive being written down, whatever is in them."""

import subprocess
import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tass_core.errors import TrackingError
from tests import ROOT
from tracking.events import Event, PlanGrew, TrialEnded, from_json, lane, to_json

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False)
plain = st.dictionaries(words, st.none() | words | numbers | st.lists(st.integers()), max_size=3)
FIELDS = {
    **dict.fromkeys(("sweep", "key", "name", "environment", "study"), words),
    **dict.fromkeys(("reason", "weights", "predictions"), st.none() | words),
    **dict.fromkeys(("plan", "params", "attrs", "system_attrs", "shared"), plain),
    **dict.fromkeys(("attempt", "epoch", "best_epoch", "fused", "number"), st.integers()),
    **dict.fromkeys(("startup", "seconds", "seconds_per_epoch"), st.none() | numbers),
    **dict.fromkeys(("tags", "distributions"), st.dictionaries(words, words, max_size=3)),
    **dict.fromkeys(("metrics", "steps"), st.dictionaries(words, numbers, max_size=3)),
    "values": st.lists(numbers, max_size=3),
    "state": st.sampled_from(["running", "complete"]),
    "status": st.sampled_from(["finished", "failed"]),
    "at": numbers,
}
events = st.one_of(
    *(
        st.builds(kind, **{name: FIELDS[name] for name in kind.__dataclass_fields__})
        for kind in get_args(Event)
    )
)


@given(events)
def test_an_event_written_down_and_read_is_the_same(event):
    text = to_json(event)

    assert from_json(text) == event
    assert "\n" not in text


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '"TrialEnded"', '{"event": "Birth"}', '{"event": "PlanGrew", "x": 1}']
)
def test_what_is_no_event_is_refused(text):
    with pytest.raises(TrackingError, match="no event of this version"):
        from_json(text)


def test_an_event_belongs_to_its_trial_or_else_to_its_sweep():
    assert lane(PlanGrew(sweep="s", plan={}, at=0.0)) == "s"
    assert lane(TrialEnded(key="k", attempt=0, status="failed", reason="x", at=0.0)) == "k"


@pytest.mark.parametrize(
    ("modules", "banned"),
    [
        ("tracking.events, tracking.schema, tracking.outbox", "torch mlflow"),
        ("tracking.provenance", "torch mlflow"),
        ("tracking.reader, tracking.delivery, tracking.status", "torch"),
    ],
)
def test_nothing_here_imports_more_than_it_needs(modules, banned):
    program = f"import sys, {modules}; print({set(banned.split())} & sys.modules.keys())"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "set()"
