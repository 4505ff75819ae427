"""How many states a run is measured on, and what they are called."""

from __future__ import annotations

import pytest

import deqn
from deqn.analysis.sample import Sample, sample


def of(model: str, *overrides: str) -> Sample:
    return sample(deqn.load_model(model, overrides, check=False))


def test_an_ergodic_cloud_covers_a_thousand_periods_with_about_ten_thousand_states():
    size = of("brock_mirman")
    assert size.name == "ergodic cloud"
    assert str(size) == "9,984 states of 128 trajectories x 1,014 periods, one in 13 kept"


def test_states_with_many_entries_are_fewer_over_as_many_periods():
    size = of("krusell_smith", "constants.nA=1000")
    assert 300 < size.batch * size.length <= 333
    assert size.length >= 10
    assert size.length * size.every >= 1_000


def test_redrawn_states_are_not_called_ergodic():
    size = of("bm1972")
    assert (size.name, str(size)) == ("initial states", "10,000 states")


def test_episodes_from_redrawn_states_say_where_they_come_from():
    size = of("brock_mirman", "initialize_each_episode=true")
    assert (size.name, str(size)) == ("from initial states", "10,000 states of 500 trajectories x 20 periods")


@pytest.mark.parametrize("model", ["bm1972", "brock_mirman"])
def test_a_size_that_is_asked_is_taken_period_by_period(model):
    size = of(model, "N_simulated_batch_size=3", "N_simulated_episode_length=7")
    assert (size.batch, size.length, size.every) == (3, 7, 1)
