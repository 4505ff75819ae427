"""Draws: moments, limits, types, reproduction."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.numerics.rng import Rng

N = 200_000
CUT_STD = 0.87962566103423978  # of a standard normal cut at two standard deviations


def test_normal_has_the_moments_that_are_asked():
    x = Rng(0).normal([N], mean=2.0, stddev=0.5)
    assert x.mean().item() == pytest.approx(2.0, abs=0.005)
    assert x.std().item() == pytest.approx(0.5, rel=0.01)


def test_uniform_fills_its_interval():
    x = Rng(0).uniform([N], minval=-1.0, maxval=3.0)
    assert -1.0 <= x.min() < -0.999
    assert 2.999 < x.max() <= 3.0
    assert x.std().item() == pytest.approx(4 / math.sqrt(12), rel=0.01)


def test_truncated_normal_is_cut_at_two_standard_deviations():
    x = Rng(0).truncated_normal([N], mean=1.0, stddev=0.5)
    assert x.min() >= 0.0
    assert x.max() <= 2.0
    assert x.max() > 1.999  # it reaches there


def test_truncated_normal_has_the_standard_deviation_of_the_cut_distribution():
    x = Rng(0, dtype=torch.float64).truncated_normal([N])
    assert x.std().item() == pytest.approx(CUT_STD, rel=0.01)


def test_one_seed_gives_one_sequence_and_another_another():
    one, same, other = (Rng(seed).normal([5]) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_sequence_goes_on_from_a_stored_state():
    rng = Rng(0)
    rng.normal([3])
    state = rng.get_state()
    following = rng.uniform([4])
    rng.normal([10])
    rng.set_state(state)
    assert torch.equal(rng.uniform([4]), following)


def test_the_global_generator_is_not_touched():
    before = torch.get_rng_state()
    Rng(0).normal([5])
    Rng(0).permutation(5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_have_the_type_of_the_model(method, dtype):
    assert getattr(Rng(0, dtype=dtype), method)([2, 3]).dtype == dtype


def test_float64_draws_are_no_rounded_float32_draws():
    x = Rng(0, dtype=torch.float64).normal([100])
    assert not torch.equal(x, x.float().double())


def test_categorical_has_the_frequencies_that_are_asked():
    p = torch.tensor([0.2, 0.0, 0.5, 0.3])
    counts = torch.bincount(Rng(0).categorical(p.expand(N, 4)), minlength=4) / N
    torch.testing.assert_close(counts, p, atol=0.005, rtol=0)
    assert counts[1] == 0


def test_categorical_takes_a_distribution_for_each_state():
    assert Rng(0).categorical(torch.eye(3)).tolist() == [0, 1, 2]


def test_a_permutation_has_every_number_once():
    assert Rng(0).permutation(50).sort().values.tolist() == list(range(50))


def test_constant_broadcasts_an_array():
    assert Rng(0).constant([2, 3], torch.tensor([1.0, 2.0, 3.0])).tolist() == [[1, 2, 3], [1, 2, 3]]


def test_choice_draws_the_values_with_their_probabilities():
    x = Rng(0).choice([N], torch.tensor([-1.0, 5.0]), torch.tensor([0.25, 0.75]))
    assert set(x.tolist()) == {-1.0, 5.0}
    assert x.mean().item() == pytest.approx(3.5, abs=0.03)
