"""The journal keeps what it was told, whatever happens to the process."""

import pytest

from tracking.outbox import Journal

URI = "sqlite:///somewhere.db"


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, URI)


def events(*numbers):
    return [{"kind": "epoch", "key": "k", "epoch": number} for number in numbers]


def test_events_come_back_in_order_until_confirmed(journal):
    journal.append(events(1, 2))
    journal.append(events(3))

    found, position = journal.pending()
    assert found == events(1, 2, 3)
    assert journal.pending()[0] == found

    journal.confirm(position)
    assert journal.pending() == ([], position)
    assert journal.backlog() == 0


def test_limit_cuts_between_events(journal):
    journal.append(events(1, 2, 3))

    first, position = journal.pending(limit=2)
    journal.confirm(position)

    assert first == events(1, 2)
    assert journal.pending()[0] == events(3)


def test_next_process_finds_what_was_not_confirmed(journal, tmp_path):
    journal.append(events(1))
    _, position = journal.pending()
    journal.confirm(position)
    journal.append(events(2))

    assert Journal(tmp_path, URI).pending()[0] == events(2)


def test_half_written_line_is_dropped_and_the_next_event_is_whole(journal, tmp_path):
    journal.append(events(1))
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "epo')

    after = Journal(tmp_path, URI)
    after.append(events(2))

    assert after.pending()[0] == events(1, 2)


def test_confirmed_journal_leaves_no_file(journal, tmp_path):
    journal.append(events(1))
    journal.confirm(journal.pending()[1])

    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_unconfirmed_journal_stays(journal):
    journal.append(events(1))

    journal.close()

    assert journal.path.exists()


def test_cursor_beyond_a_new_journal_starts_again(journal, tmp_path):
    journal.append(events(1, 2, 3))
    journal.confirm(journal.pending()[1])
    journal.path.unlink()

    fresh = Journal(tmp_path, URI)
    fresh.append(events(4))

    assert fresh.pending()[0] == events(4)


def test_tracking_stores_have_journals_of_their_own(journal, tmp_path):
    journal.append(events(1))

    assert Journal(tmp_path, "http://elsewhere").pending()[0] == []
