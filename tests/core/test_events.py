import pytest

from tunesmith.core.clock import Clock
from tunesmith.core.events import Event, Journal, read_journal, stages


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def journal(path, *listeners):
    return Journal(path, Clock(now=lambda: 1.5, start=1.0), listeners)


def test_what_is_written_is_read_in_order(path):
    mine = journal(path)
    written = [mine.write("trial", number=i, reason="größer") for i in range(3)]
    assert list(read_journal(path)) == written
    assert written[2] == Event("trial", 0.5, {"number": 2, "reason": "größer"})


def test_a_fact_does_not_take_the_place_of_the_time_of_its_event(path):
    journal(path).write("scout", seconds=27.0)
    assert [event.seconds for event in read_journal(path)] == [0.5]


def test_a_listener_hears_of_an_event_when_it_is_on_the_disk(path):
    heard = []
    mine = journal(path, lambda event: heard.append((event, list(read_journal(path))[-1])))
    mine.write("begun", rows=3)
    mine.write("ended")
    assert [event.kind for event, _ in heard] == ["begun", "ended"]
    assert all(event == on_disk for event, on_disk in heard)


def test_a_line_cut_anywhere_is_left_out(path):
    journal(path).write("first", rows=3)
    whole = path.read_bytes()
    journal(path).write("second", text="ein Wort")
    second = path.read_bytes().removeprefix(whole)
    for end in range(len(second) - 1):
        path.write_bytes(whole + second[:end])
        assert [event.kind for event in read_journal(path)] == ["first"]


def test_a_resumed_journal_loses_only_the_line_that_was_cut(path):
    journal(path).write("first")
    journal(path).write("cut")
    path.write_bytes(path.read_bytes()[:-5])
    journal(path).write("resumed", trial=4)
    journal(path).write("ended")
    assert [event.kind for event in read_journal(path)] == ["first", "resumed", "ended"]


def test_a_number_that_json_cannot_say_is_null(path):
    journal(path).write("score", value=float("nan"), more=[1.0, {"low": float("-inf")}])
    assert next(iter(read_journal(path))).facts == {"value": None, "more": [1.0, {"low": None}]}


def test_what_is_not_json_is_refused_and_leaves_nothing(path):
    mine = journal(path)
    mine.write("first")
    before = path.read_bytes()
    with pytest.raises(TypeError, match="JSON"):
        mine.write("score", value=object())
    assert path.read_bytes() == before


def test_stages_are_told_with_what_was_planned_and_what_came_again_counts_in_all():
    events = [
        Event("stage", 1.0, {"name": "reading"}),
        Event("stage", 3.0, {"name": "tuning", "planned_seconds": 5.0}),
        Event("note", 4.0, {"text": "killed here"}),
        Event("stage", 4.0, {"name": "reading"}),
        Event("resumed", 4.5, {}),
        Event("stage", 4.5, {"name": "tuning", "planned_seconds": 2.0}),
    ]
    assert stages(events, 6.0) == [
        {"stage": "reading", "planned_seconds": None, "seconds": 2.5},
        {"stage": "tuning", "planned_seconds": 2.0, "seconds": 2.5},
    ]
