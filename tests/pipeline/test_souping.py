"""Means of the weights of fine-tuned networks: as trials, only where they gain."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import tunesmith as ts
from tunesmith.core.clock import Clock
from tunesmith.core.contracts import Fitted
from tunesmith.core.errors import ConfigError
from tunesmith.core.events import read_journal
from tunesmith.core.predictions import Prediction
from tunesmith.core.records import Problem, Result, Trial
from tunesmith.core.space import default, to_dict
from tunesmith.learners import learners
from tunesmith.learners._folded import Folded, fold_folders, joined, open_model
from tunesmith.learners.soup import Average, added
from tunesmith.pipeline.folds import crossed
from tunesmith.pipeline.run import Run
from tunesmith.pipeline.souping import souped
from tunesmith.pipeline.standing import soup_groups
from tunesmith.pipeline.trial import Job, run_trial, scored
from tunesmith.tasks.classification import reviews

QUICK = {"epochs": 2, "lr": 2e-3, "batch_size": 16, "patience": 0, "depth": 0.5}
FILE = "network.safetensors"
Weights = dict[str, torch.Tensor]


def unknown(trial: Trial) -> Result | None:
    return None


@pytest.fixture(params=[0, 2])
def folded(request: pytest.FixtureRequest, problem: Problem) -> Problem:
    """The problem, with and without folds."""
    return crossed(problem, count=request.param) if request.param else problem


def tuned(run: Run, problem: Problem, checkpoint: str) -> Result:
    """One fine-tuning that came to its end."""
    config = default(learners["neural"].config, {**QUICK, "backbone": checkpoint})
    trial = Trial(1, "neural", to_dict(config), "asked for", 1)
    result = run_trial(run, problem, Job(trial), "none")
    assert result.score is not None, result.reason
    return result


@pytest.fixture
def first(run: Run, problem: Problem, checkpoint: str) -> Result:
    return tuned(run, problem, checkpoint)


def changed(
    run: Run, problem: Problem, first: Result, number: int, change: Callable[[Weights], Weights]
) -> Result:
    """The trial of that number: the first one's network with other trained weights."""
    own = {place: load_file(place / FILE) for place in places(first)}
    for place, weights in own.items():
        save_file(change(weights), place / FILE)
    model = open_model("neural", Path(first.folder))
    for place, weights in own.items():
        save_file(weights, place / FILE)
    trial = replace(first.trial, number=number)
    return scored(run, problem, trial, model, unseen(problem, model), 1.0)


def places(result: Result) -> tuple[Path, ...]:
    """Where its networks lie, that of each fold or the one."""
    return fold_folders(Path(result.folder)) or (Path(result.folder),)


def unseen(problem: Problem, model: Fitted) -> Prediction | None:
    """With folds what it answers for rows that it has not seen."""
    if not isinstance(model, Folded):
        return None
    parts = [problem.fold(number).part("valid") for number in range(len(model.models))]
    return joined(problem, [m.predict(part) for m, part in zip(model.models, parts, strict=True)])


def moved(sign: float) -> Callable[[Weights], Weights]:
    """Weights a long way off, in one direction or the other."""

    def change(weights: Weights) -> Weights:
        dice = torch.Generator().manual_seed(0)
        parts = {n: torch.randn(v.shape, generator=dice) for n, v in sorted(weights.items())}
        return {
            n: v + sign * parts[n] / 2 if "head" in n or "layer.1" in n else v
            for n, v in weights.items()
        }

    return change


def turned_round(weights: Weights) -> Weights:
    """Weights of a network that answers the contrary, loudly."""
    return {n: -50 * v if "head.plane" in n else v for n, v in weights.items()}


def test_two_that_err_in_opposite_ways_are_right_together(
    run: Run, folded: Problem, checkpoint: str
) -> None:
    problem = folded
    first = tuned(run, problem, checkpoint)
    both = [changed(run, problem, first, 2 + i, moved(sign)) for i, sign in enumerate((1.0, -1.0))]
    assert all(float(one.score or 0) < float(first.score or 0) for one in both)
    (soup,) = souped(run, problem, both, unknown)
    assert soup.trial.number == 4
    assert soup.trial.learner == "soup"
    assert soup.trial.config["trials"] in ("2, 3", "3, 2")
    assert soup.reason == ""
    assert "greedy: the mean of the weights of trials" in soup.trial.reason
    for mean, own in zip(places(soup), places(first), strict=True):
        weights = load_file(own / FILE)
        for name, value in load_file(mean / FILE).items():
            assert torch.allclose(value, weights[name], atol=1e-5)
    assert float(soup.score or 0) == pytest.approx(float(first.score or 0), abs=1e-9)
    test = problem.part("test")
    answers = open_model("soup", Path(soup.folder)).predict(test).array()
    wanted = open_model("neural", Path(first.folder)).predict(test).array()
    assert np.allclose(answers, wanted, atol=1e-4)


def test_trials_of_another_version_have_at_their_defaults_what_they_do_not_tell(
    run: Run, problem: Problem, first: Result
) -> None:
    later = ("blocks", "skip", "skipped", "heads_kept", "width_kept", "readout")
    told = {name: v for name, v in first.trial.config.items() if name not in later}
    old = replace(first, trial=replace(first.trial, number=2, config=told))
    assert soup_groups(problem, [first, old]) == [[first, old]]


def test_bottlenecks_are_averaged_with_their_like_alone(problem: Problem, first: Result) -> None:
    def narrow(number: int, width: int) -> Result:
        config = {**first.trial.config, "adapter": {"kind": "Bottleneck", "width": width}}
        return replace(first, trial=replace(first.trial, number=number, config=config))

    some = [first, narrow(2, 8), narrow(3, 16), narrow(4, 8)]
    assert soup_groups(problem, some) == [[some[1], some[3]]]


def test_who_would_spoil_it_is_left_out(run: Run, problem: Problem, first: Result) -> None:
    both = [changed(run, problem, first, 2 + i, moved(sign)) for i, sign in enumerate((1.0, -1.0))]
    spoiled = changed(run, problem, first, 4, turned_round)
    (soup,) = souped(run, problem, [*both, spoiled], unknown)
    assert "4" in soup.trial.config["trials"]
    told = soup.trial.reason
    assert re.match(r"greedy: the mean of the weights of trials (2, 3|3, 2),", told)


def test_where_nothing_is_gained_there_is_none_and_that_is_said(
    run: Run, problem: Problem, first: Result
) -> None:
    same = changed(run, problem, first, 2, lambda weights: weights)
    assert list(souped(run, problem, [first, same], unknown)) == []
    notes = [e.facts["text"] for e in read_journal(run.folder.journal) if e.kind == "note"]
    assert any("no soup of" in note and "gains" in note for note in notes)
    assert not run.folder.trial(3).exists()


def test_without_time_there_is_none_and_that_is_said(
    run: Run, problem: Problem, first: Result
) -> None:
    both = [replace(first, predict_seconds=1.0), changed(run, problem, first, 2, moved(1.0))]
    hurried = replace(run, clock=Clock(5.0))
    assert list(souped(hurried, problem, both, unknown)) == []
    notes = [e.facts["text"] for e in read_journal(run.folder.journal) if e.kind == "note"]
    assert any("s are left" in note for note in notes)


def test_what_is_recorded_is_not_made_again(run: Run, problem: Problem, first: Result) -> None:
    both = [changed(run, problem, first, 2 + i, moved(sign)) for i, sign in enumerate((1.0, -1.0))]
    (soup,) = souped(run, problem, both, unknown)
    (again,) = souped(run, problem, both, lambda t: soup if t.config == soup.trial.config else None)
    assert again is soup


def test_only_networks_of_one_kind_are_averaged(run: Run, problem: Problem, first: Result) -> None:
    other = changed(run, problem, first, 2, moved(1.0))
    assert soup_groups(problem, [first, other])
    others = {"pooling": "max", "head": 128, "max_length": 64, "size": 128, "backbone": "x"}
    others |= {"neck": {"kind": "Attention"}}
    for field, value in others.items():
        trial = replace(other.trial, config={**other.trial.config, field: value})
        assert not soup_groups(problem, [first, replace(other, trial=trial)])
    look = replace(other, trial=replace(other.trial, share=0.25))
    assert not soup_groups(problem, [first, look])


def test_the_mean_of_networks_of_other_depths_keeps_what_is_frozen_in_all(
    run: Run, problem: Problem, first: Result, checkpoint: str
) -> None:
    config = {**first.trial.config, "depth": 1.0}
    deep = run_trial(run, problem, Job(Trial(2, "neural", config, "asked for", 2)), "none")
    folders = [Path(first.folder), Path(deep.folder)]
    average = Average.of(folders)
    weights = [average.read(folder) for folder in folders]
    model = average.fill(added(*weights), 2)
    found = model.network.state_dict()
    ends = [open_model("neural", folder).network.state_dict() for folder in folders]  # type: ignore[attr-defined]
    for name, value in found.items():
        if value.is_floating_point():
            assert torch.allclose(value, (ends[0][name] + ends[1][name]) / 2, atol=1e-6), name
    stem = next(name for name in found if "word_embeddings" in name)
    assert not torch.equal(found[stem], ends[0][stem])


def test_a_network_that_reads_other_inputs_is_refused(
    run: Run, problem: Problem, first: Result, checkpoint: str
) -> None:
    fewer = replace(problem, inputs=("text",))
    trial = replace(first.trial, number=2)
    other = run_trial(run, fewer, Job(trial), "none")
    average = Average.of([Path(first.folder)])
    with pytest.raises(ConfigError, match="another shape"):
        average.read(Path(other.folder))


@pytest.mark.parametrize("folds", [0, 2])
def test_a_fit_tells_of_its_soup(tmp_path: Path, checkpoint: str, folds: int) -> None:
    made = reviews(np.random.default_rng(0), 80)
    data = pd.DataFrame({name: made.values(name) for name in ("text", "label")})
    pins = {**QUICK, "backbone": checkpoint, "lr": [1e-3, 2e-3]}
    folder = tmp_path / "run"
    more: dict[str, Any] = {"learners": ["neural"], "space": {"neural": pins}, "offline": True}
    model = ts.fit(data, "label", trials=2, folder=folder, folds=folds, **more)
    board = model.leaderboard()
    soups = [row for row in board if row["learner"] == "soup"]
    notes = [e.facts["text"] for e in read_journal(folder / "journal.jsonl") if e.kind == "note"]
    assert len(soups) + sum("no soup of" in note for note in notes) == 1, notes
    assert sum(row["learner"] == "neural" for row in board) == 2
    if not folds:
        again = ts.resume(folder, trials=1, source=data)
        assert sum(row["learner"] == "neural" for row in again.leaderboard()) == 3
        assert len(again.predict(data)) == 80
