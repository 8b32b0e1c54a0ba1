"""The outbox keeps what it was told, whatever happens to the process."""

import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tass_core.errors import TrackingError
from tests import ROOT
from tracking.events import Origin, WeightsDropped
from tracking.outbox import Outbox

STORE = "sqlite:///somewhere.db"
ORIGIN = Origin("tiny", "f1", "/runs")


def dropped(key, at=0.0):
    return WeightsDropped(key=key, at=at)


def waiting(outbox, **options):
    return [posted.event for posted in outbox.take(**options)]


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path, STORE)


def test_events_come_back_in_order_with_their_origin_until_confirmed(outbox):
    elsewhere = Origin("other", "f2", "s3://bucket/runs")
    outbox.post(ORIGIN, [dropped("a"), dropped("b")])
    outbox.post(elsewhere, [dropped("c")])

    taken = outbox.take()
    assert [posted.event.key for posted in taken] == ["a", "b", "c"]
    assert [posted.origin for posted in taken] == [ORIGIN, ORIGIN, elsewhere]
    assert outbox.take() == taken

    outbox.confirm(taken[:1])
    assert outbox.take() == taken[1:]


def test_next_process_finds_what_was_not_confirmed(outbox, tmp_path):
    outbox.post(ORIGIN, [dropped("a"), dropped("b")])
    outbox.confirm(outbox.take(limit=1))

    assert waiting(Outbox(tmp_path, STORE)) == [dropped("b")]


def test_a_refused_event_is_kept_with_its_reason_and_stops_no_other(outbox, tmp_path):
    outbox.post(ORIGIN, [dropped("a", 1.0), dropped("a", 2.0)])

    outbox.refuse(outbox.take()[0], "no such run")

    assert waiting(outbox) == [dropped("a", 2.0)]
    [letter] = Outbox(tmp_path, STORE).dead_letters()
    assert (letter.lane, letter.reason) == ("a", "no such run")
    assert '"at": 1.0' in letter.text


def test_dead_letters_can_be_sent_again_in_their_old_order(outbox, tmp_path):
    outbox.post(ORIGIN, [dropped("a", 1.0), dropped("b", 2.0), dropped("a", 3.0)])
    for posted in outbox.take()[:2]:
        outbox.refuse(posted, "why")

    assert Outbox(tmp_path, STORE).send_again() == 2

    assert [event.at for event in waiting(outbox)] == [1.0, 2.0, 3.0]
    assert outbox.dead_letters() == []
    assert outbox.send_again() == 0


def test_a_lane_can_be_left_out(outbox):
    outbox.post(ORIGIN, [dropped("a"), dropped("b"), dropped("a")])

    assert waiting(outbox, without={"a"}) == [dropped("b")]
    assert waiting(outbox, without={"a", "b"}) == []


@pytest.mark.parametrize("damage", ["event = 'torn'", "origin = '{}'", "event = '{\"event\": 1}'"])
def test_a_damaged_row_becomes_a_dead_letter_and_stops_no_other(outbox, damage):
    outbox.post(ORIGIN, [dropped("a"), dropped("b")])
    with sqlite3.connect(outbox.path) as database:
        database.execute(f"UPDATE events SET {damage} WHERE lane = 'a'")

    assert waiting(outbox) == [dropped("b")]
    assert outbox.backlog() == 1
    assert [letter.lane for letter in outbox.dead_letters()] == ["a"]


def test_tracking_stores_have_outboxes_of_their_own(outbox, tmp_path):
    outbox.post(ORIGIN, [dropped("a")])

    assert waiting(Outbox(tmp_path, "http://elsewhere")) == []


def test_a_password_of_the_store_reaches_no_file(tmp_path):
    outbox = Outbox(tmp_path, "http://me:secret@host")
    outbox.post(ORIGIN, [dropped("a")])

    for path in tmp_path.iterdir():
        assert "secret" not in path.name
        assert b"secret" not in path.read_bytes()


def test_several_drivers_lose_nothing_and_keep_each_lanes_order(tmp_path):
    def drive(name):
        mine = Outbox(tmp_path, STORE)
        for number in range(25):
            mine.post(ORIGIN, [dropped(name, float(number))])

    threads = [threading.Thread(target=drive, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = waiting(Outbox(tmp_path, STORE))
    for name in "abc":
        assert [event.at for event in found if event.key == name] == [*map(float, range(25))]


def test_what_was_posted_survives_a_kill(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from tracking.events import Origin, WeightsDropped\n"
        "from tracking.outbox import Outbox\n"
        f"box = Outbox(Path(sys.argv[1]), {STORE!r})\n"
        "box.post(Origin('tiny', 'f1', '/runs'), [WeightsDropped(key='a', at=0.0)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)

    assert done.returncode == -9
    assert waiting(Outbox(tmp_path, STORE)) == [dropped("a")]


def test_a_full_disk_is_said_and_costs_nothing_that_was_posted_before(tmp_path):
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from tass_core.errors import TrackingError\n"
        "from tracking.events import Origin, PlanGrew, WeightsDropped\n"
        "from tracking.outbox import Outbox\n"
        f"box = Outbox(Path(sys.argv[1]), {STORE!r})\n"
        "origin = Origin('tiny', 'f1', '/runs')\n"
        "box.post(origin, [WeightsDropped(key='a', at=0.0)])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try:\n"
        "    box.post(origin, [PlanGrew(sweep='s', plan={'x': 'y' * 100_000}, at=0.0)])\n"
        "except TrackingError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "outbox-" in done.stdout
    assert "free space on the disk" in done.stdout
    assert waiting(Outbox(tmp_path, STORE)) == [dropped("a")]


def test_a_file_that_is_no_database_is_named(outbox, tmp_path):
    outbox.close()
    for path in tmp_path.iterdir():
        path.write_text("no database, whatever it is" * 100)

    with pytest.raises(TrackingError, match=r"outbox-.*\.db: file is not a database"):
        Outbox(tmp_path, STORE)


def test_an_older_versions_unwritten_journal_is_refused_and_a_written_one_is_not(tmp_path):
    journal = tmp_path / "journal-0123456789ab.jsonl"
    journal.write_text('{"kind": "end"}\n')
    with pytest.raises(TrackingError, match=r"journal-.*older version.*or delete the file"):
        Outbox(tmp_path, STORE)

    journal.with_suffix(".cursor").write_text(str(journal.stat().st_size))
    assert waiting(Outbox(tmp_path, STORE)) == []


class Model(RuleBasedStateMachine):
    """The outbox against two lists, over any order of calls and reopenings."""

    def __init__(self):
        super().__init__()

        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        self.outbox = Outbox(self.place, STORE)
        self.waiting, self.dead, self.clock = [], [], 0.0

    @rule(keys=st.lists(st.sampled_from("ab"), max_size=3))
    def post(self, keys):
        events = []
        for key in keys:
            self.clock += 1
            events.append(dropped(key, self.clock))
        self.outbox.post(ORIGIN, events)
        self.waiting += events

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 3))
    def confirm(self, count):
        self.outbox.confirm(self.outbox.take(limit=count))
        del self.waiting[:count]

    @precondition(lambda self: self.waiting)
    @rule(place=st.integers(0, 2))
    def refuse(self, place):
        taken = self.outbox.take()
        place = min(place, len(taken) - 1)
        self.outbox.refuse(taken[place], "why")
        self.dead.append(self.waiting.pop(place))

    @rule()
    def reopen(self):
        self.outbox.close()
        self.outbox = Outbox(self.place, STORE)

    @invariant()
    def holds_what_was_posted(self):
        assert waiting(self.outbox) == self.waiting
        assert waiting(self.outbox, without={"a"}) == [e for e in self.waiting if e.key == "b"]
        assert self.outbox.backlog() == len(self.waiting)
        assert len(self.outbox.dead_letters()) == len(self.dead)

    def teardown(self):
        self.outbox.close()
        self.folder.cleanup()


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=20, stateful_step_count=15)
