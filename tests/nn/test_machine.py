import dataclasses
import json
import os
import time

import pytest
import torch

from tunesmith.core.errors import ConfigError
from tunesmith.nn import devices, machine
from tunesmith.nn.machine import Found, cores, pick, remembered

USUAL = Found("fp32", 1, {}, is_quiet=False, tries=0)
QUIET = Found("bf16", 1, {"fp32": 2.0, "bf16": 1.0}, is_quiet=True, tries=1)
BUSY = dataclasses.replace(QUIET, is_quiet=False)


class Measure:
    def __init__(self, *found):
        self.left = list(found)

    def __call__(self):
        return self.left.pop(0)


def test_what_was_measured_is_measured_once(tmp_path):
    file = tmp_path / "deep" / "machine.json"
    assert remembered(file, Measure(QUIET), USUAL) == QUIET
    assert remembered(file, Measure(), USUAL) == QUIET


def test_a_busy_machine_is_measured_again_but_not_for_ever(tmp_path):
    file, measure = tmp_path / "machine.json", Measure(BUSY, BUSY, BUSY)
    found = [remembered(file, measure, USUAL).tries for _ in range(4)]
    assert found == [1, 2, 3, 3]
    file.unlink()
    measure = Measure(BUSY, QUIET)
    assert [remembered(file, measure, USUAL).is_quiet for _ in range(3)] == [False, True, True]


def test_the_same_step_in_unlike_times_tells_of_others_whom_nobody_sees(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    times = {"fp32": 35.1, "bf16": 20.9, "1 thread": 31.0, "2 threads": 29.0}
    assert not machine.is_steady(times, "bf16", 2)
    assert machine.is_steady(times | {"2 threads": 21.5}, "bf16", 2)
    assert machine.is_steady({}, "bf16", 2)
    file = tmp_path / "machine.json"
    wrong = Found("bf16", 1, times, is_quiet=True, tries=1)
    file.write_text(json.dumps(dataclasses.asdict(wrong)))  # as it was once kept
    right = Found("bf16", 2, times | {"2 threads": 21.5}, is_quiet=True, tries=1)
    assert remembered(file, Measure(right), USUAL) == dataclasses.replace(right, tries=2)
    assert remembered(file, Measure(), USUAL).threads == 2
    often = dataclasses.replace(wrong, tries=machine.MOST_TRIES)
    file.write_text(json.dumps(dataclasses.asdict(often)))
    assert remembered(file, Measure(), USUAL).threads == 2, "all cores, as where others are seen"


def test_another_process_that_was_done_first_is_followed(tmp_path):
    file = tmp_path / "machine.json"
    first = dataclasses.replace(QUIET, precision="fp32")

    def measure():
        remembered(file, Measure(first), USUAL)
        return QUIET

    assert remembered(file, measure, USUAL) == first
    assert json.loads(file.read_text())["precision"] == "fp32"
    assert os.listdir(tmp_path) == ["machine.json"]


def test_where_nothing_can_be_kept_the_usual_is_taken(tmp_path):
    (tmp_path / "file").write_text("")
    assert remembered(tmp_path / "file" / "machine.json", Measure(), USUAL) == USUAL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps(dataclasses.asdict(QUIET) | {"precision": "fp8"}),
        json.dumps(dataclasses.asdict(QUIET) | {"threads": 10**6}),
        json.dumps(dataclasses.asdict(QUIET) | {"threads": 0}),
        json.dumps(dataclasses.asdict(QUIET) | {"threads": "many"}),
        json.dumps(dataclasses.asdict(QUIET) | {"more": 1}),
    ],
)
def test_a_file_that_is_broken_or_of_another_machine_is_written_anew(tmp_path, text):
    file = tmp_path / "machine.json"
    file.write_text(text)
    assert remembered(file, Measure(QUIET), USUAL) == QUIET
    assert remembered(file, Measure(), USUAL) == QUIET


def test_the_costlier_way_must_be_faster_by_a_tenth():
    assert pick({"fp32": 1.09, "bf16": 1.0}, ("fp32", "bf16")) == "fp32"
    assert pick({"fp32": 1.2, "bf16": 1.0}, ("fp32", "bf16")) == "bf16"
    assert pick({"1": 4.0, "2": 2.0, "4": 1.9}, ("1", "2", "4")) == "2"
    assert pick({"1": 4.0, "2": 4.0, "4": 1.0}, ("1", "2", "4")) == "4"


def test_cores_are_those_allowed_and_whole_ones_of_the_containers_share(tmp_path):
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert cores(tmp_path) == most
    for text, wanted in (
        ("max 100000", most),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("9900000 100000", most),
        ("?", most),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert cores(tmp_path) == wanted
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cores(tmp_path) == 1


def test_a_measurement_leaves_no_trace_and_is_short():
    torch.manual_seed(0)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    began = time.process_time()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = machine.measure()
    assert time.process_time() - began < 5
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert found.precision in ("fp32", "bf16")
    assert 1 <= found.threads <= cores()
    assert found.milliseconds["fp32"] > 0
    assert ("bf16" in found.milliseconds) == machine.can_bf16()


@pytest.mark.parametrize("others", [0.0, 1.5])
def test_others_are_counted_and_this_process_is_not(monkeypatch, others):
    monkeypatch.setattr(
        machine, "_busy_seconds", lambda: time.process_time() + others * time.perf_counter()
    )
    count = machine._Others()
    sum(range(10**6))
    assert count.cores() == pytest.approx(others, abs=0.1)


@pytest.fixture
def told(monkeypatch):
    """Sets variables of the environment, with nothing decided yet."""
    decided = (devices.precision, devices.threads)

    def tell(**variables):
        for name in ("TUNESMITH_PRECISION", "TUNESMITH_THREADS", "OMP_NUM_THREADS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for one in decided:
            one.cache_clear()

    yield tell
    monkeypatch.undo()
    for one in decided:
        one.cache_clear()


@pytest.mark.skipif(devices.device().type != "cpu", reason="measured on a processor only")
def test_the_environment_overrules_what_was_measured(told, monkeypatch):
    monkeypatch.setattr(machine, "find", lambda: QUIET)
    told()
    assert (devices.precision(), devices.threads()) == ("bf16", 1)
    told(TUNESMITH_PRECISION="FP32")
    assert not devices.is_bf16_good()
    monkeypatch.setattr(machine, "cores", lambda: 4)
    told(OMP_NUM_THREADS="3")
    assert devices.threads() == 3
    told(OMP_NUM_THREADS="3", TUNESMITH_THREADS="2")
    assert devices.threads() == 2
    told(TUNESMITH_THREADS="64")
    assert devices.threads() == 4
    assert devices.facts()["told"] == {"TUNESMITH_THREADS": "64"}


@pytest.mark.parametrize(
    ("variable", "value", "ask"),
    [
        ("TUNESMITH_PRECISION", "fp8", lambda: devices.precision()),
        ("TUNESMITH_THREADS", "0", lambda: devices.threads()),
        ("TUNESMITH_THREADS", "all", lambda: devices.threads()),
    ],
)
def test_an_order_that_cannot_be_followed_is_refused(told, variable, value, ask):
    told(**{variable: value})
    with pytest.raises(ConfigError, match=value):
        ask()


def test_trials_side_by_side_share_the_cores(told, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    told(TUNESMITH_THREADS="6")
    shares = [devices.shares(count) for count in (1, 2, 3, 8, 20)]
    assert [one[0]["TUNESMITH_THREADS"] for one in shares] == ["6", "4", "2", "1", "1"]
    assert [len(one) for one in shares] == [1, 2, 3, 8, 20]
