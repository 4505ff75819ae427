"""The study of a sweep: the same trials and the same ends, however often it was killed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from deqn.configuration.space import read
from deqn.disk.study import Study
from deqn.errors import CheckpointError

GRID = ["seed=1,2", "optimizer.learning_rate=1e-3,3e-4"]
SEARCH = ["seed=1,2", "optimizer.learning_rate=tag(log,interval(1e-5,1e-2))", "net=bm1972,rbc"]
EPISODES = 50


class Killed(Exception):
    pass


def residual(overrides: dict[str, str], episode: int) -> float:
    """As if trained: better the nearer the learning rate is to 1e-3, by seed a little different, falling in time."""
    off = abs(math.log(float(overrides["optimizer.learning_rate"]) / 1e-3))
    return (0.1 + off + 0.01 * int(overrides["seed"])) / episode


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a search that was never killed."""
    folder = tmp_path_factory.mktemp("whole")
    train_all(folder)
    return folder


def study_in(folder: Path, **options) -> Study:
    return Study(folder, read(SEARCH), draws=6, prune=True, episodes=EPISODES, together=2, **options)


def train_all(folder: Path, kill_after: int = 10**9) -> None:
    """Trains the trials of a search, and is killed after so many reports."""
    study, reports = study_in(folder), 0
    while trials := study.next():
        for trial in trials:
            for episode in range(10, EPISODES + 1, 10):
                if reports == kill_after:
                    raise Killed
                trial.report(episode, residual(trial.overrides, episode))
                reports += 1
        for trial in trials:
            if reports == kill_after:
                raise Killed
            trial.tell(residual(trial.overrides, EPISODES))
            reports += 1


def test_a_grid_has_every_combination_once(tmp_path):
    study = Study(tmp_path, read(GRID))
    trials = study.next()
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    assert [(t.overrides["seed"], t.overrides["optimizer.learning_rate"]) for t in trials] == [
        ("1", "0.001"), ("1", "0.0003"), ("2", "0.001"), ("2", "0.0003")
    ]  # fmt: skip
    trials[0].tell(0.5)
    trials[1].tell(None)
    assert [trial.number for trial in Study(tmp_path, read(GRID)).next()] == [2, 3]
    assert [row[0::3] for row in study.ended()] == [(0, True), (1, False)]


def test_each_combination_that_is_drawn_has_every_seed(whole):
    study = study_in(whole)
    points = [point for _, point, _, _ in study.ended()]
    assert len(points) == study.n_trials == 12
    for first, second in zip(points[::2], points[1::2], strict=True):
        assert (first["seed"], second["seed"]) == ("1", "2")
        assert {**first, "seed": ""} == {**second, "seed": ""}
    assert len({point["optimizer.learning_rate"] for point in points}) == 6


def test_pruned_trials_are_those_far_from_the_best(whole):
    ended = study_in(whole).ended()
    assert all(pruned is None for _, _, pruned, _ in ended[:5])  # the first ones are what others are held against
    pruned = [residual(point, EPISODES) for _, point, episode, _ in ended if episode is not None]
    kept = [residual(point, EPISODES) for _, point, episode, _ in ended if episode is None]
    assert pruned
    assert min(pruned) > sorted(kept)[len(kept) // 2] / 2
    assert all(episode >= EPISODES // 5 for _, _, episode, _ in ended if episode is not None)


def test_a_study_that_was_killed_ends_like_one_that_was_not(whole, tmp_path):
    for after in (3, 21, 1):
        with pytest.raises(Killed):
            train_all(tmp_path, after)
    train_all(tmp_path)
    assert study_in(tmp_path).ended() == study_in(whole).ended()


def test_it_is_an_ordinary_study_of_optuna(whole):
    import optuna

    study = optuna.load_study(study_name="deqn", storage=f"sqlite:///{whole / 'study.db'}")
    assert study.best_value == min(residual(point, EPISODES) for _, point, _, done in study_in(whole).ended() if done)


def test_a_file_that_is_no_study_is_said(tmp_path):
    (tmp_path / "study.db").write_text("no database\n" * 100)
    with pytest.raises(CheckpointError, match=r"study\.db cannot be read"):
        Study(tmp_path, read(GRID))


def test_who_is_faster_in_a_round_decides_nothing(tmp_path):
    """Each round trained and told one trial after the other, or all side by side: the same trials are pruned."""

    def trained(folder: Path, side_by_side: bool) -> list:
        folder.mkdir()
        study = study_in(folder)
        while trials := study.next():
            episodes = range(10, EPISODES + 1, 10)
            if side_by_side:
                for episode in episodes:
                    for trial in reversed(trials):
                        trial.report(episode, residual(trial.overrides, episode))
            for trial in trials:
                for episode in () if side_by_side else episodes:
                    trial.report(episode, residual(trial.overrides, episode))
                trial.tell(residual(trial.overrides, EPISODES))
        return study.ended()

    assert trained(tmp_path / "one", True) == trained(tmp_path / "other", False)
