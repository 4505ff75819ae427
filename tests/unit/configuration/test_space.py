"""The search space of a sweep, from a command line and from a file."""

from __future__ import annotations

import pytest

from deqn.configuration.space import Interval, read
from deqn.errors import ConfigError


def test_the_grid_has_each_combination_in_hydras_order():
    space = read(["model=bm1972", "seed=1,2", "optimizer.learning_rate=1e-3,3e-4", "+constants.gamma=choice(2,3)"])
    assert space.fixed == ["model=bm1972"]
    assert [*space.grid()[1].values()] == ["1", "0.001", "3"]
    assert len(space.grid()) == 8


def test_a_range_and_a_list_that_names_a_value_twice():
    space = read(["seed=range(1,4)", "run.N_sim_batch=64,64"])
    assert space.choices == {"seed": ["1", "2", "3"], "run.N_sim_batch": ["64"]}


def test_intervals_are_of_numbers_or_of_whole_numbers():
    space = read(["optimizer.learning_rate=tag(log, interval(1e-5, 1e-2))", "run.N_sim_batch=int(interval(16, 64))"])
    assert space.intervals == {
        "optimizer.learning_rate": Interval(1e-5, 1e-2, log=True),
        "run.N_sim_batch": Interval(16, 64, whole=True),
    }
    assert space.intervals["run.N_sim_batch"].text(31.0) == "31"
    assert space.intervals["optimizer.learning_rate"].text(0.00123456) == "0.001235"


def test_samples_have_each_value_and_some_of_an_interval():
    space = read(["seed=1,2,3", "run.N_sim_batch=interval(16,64)", "net=bm1972,rbc"])
    samples = space.samples()
    assert {s["seed"] for s in samples} == {"1", "2", "3"}
    assert {s["run.N_sim_batch"] for s in samples} == {"16", "64", "34.34"}
    assert {s["net"] for s in samples} == {"bm1972", "rbc"}


def test_a_file_adds_keys_and_what_is_typed_has_precedence(tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(
        "trials: 5\nprune: false\nparams:\n  optimizer.learning_rate: tag(log, interval(1e-5, 1e-2))\n"
        "  net.layers.0.hidden.activation: [relu, tanh]\n  initialize_each_episode: [true, null]\n  seed: [1, 2]\n"
    )
    space = read(["model=bm1972", "seed=3"], file)
    assert space.fixed == ["model=bm1972", "seed=3"]
    assert space.choices["net.layers.0.hidden.activation"] == ["relu", "tanh"]
    assert space.choices["initialize_each_episode"] == ["True", "null"]  # Hydra reads either
    assert (space.trials, space.prune) == (5, False)


WRONG = {
    "nothing to sweep": (["seed=1"], None, "no key has several values"),
    "an empty interval": (["seed=interval(3,1)"], None, "smaller than its second"),
    "a logarithm of zero": (["optimizer.learning_rate=tag(log,interval(0,1))"], None, "above zero"),
    "a tag": (["optimizer.learning_rate=tag(lin,interval(0,1))"], None, "unknown tag 'lin'"),
    "a glob": (["net=glob(*)"], None, "expected values, a range or an interval"),
    "no params": (["seed=1,2"], "trials: 3\n", "expected `params:`"),
    "a key that is not known": ([], "params: {seed: [1, 2]}\ntrails: 3\n", "Did you mean trials?"),
    "trials": ([], "params: {seed: [1, 2]}\ntrials: 0\n", "trials: 0: expected a whole number"),
    "prune": ([], "params: {seed: [1, 2]}\nprune: 1\n", "prune: 1: expected true or false"),
    "a value": ([], "params: {seed: [[1], 2]}\n", "params: seed"),
    "no YAML": ([], "params: {seed: [1, 2\n", "is no YAML file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(tmp_path, case):
    typed, text, fragment = WRONG[case]
    file = None
    if text is not None:
        file = tmp_path / "space.yaml"
        file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read(typed, file)
    assert fragment in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read: No such file"):
        read(["seed=1,2"], tmp_path / "nowhere.yaml")
