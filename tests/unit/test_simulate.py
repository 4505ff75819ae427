"""Episodes and minibatches."""

from __future__ import annotations

import torch

from deqn import simulate
from deqn.rng import Rng


def test_an_episode_starts_at_the_start_and_returns_where_the_next_begins():
    states, following = simulate.episode(lambda x: x + 1, torch.tensor([[0.0], [10.0]]), 3)
    assert states[..., 0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert following.tolist() == [[3], [13]]


def numbered(time: int = 6, batch: int = 4) -> torch.Tensor:
    """States (trajectory, period): `[time, batch, 2]`."""
    t, b = torch.meshgrid(torch.arange(time), torch.arange(batch), indexing="ij")
    return torch.stack([b, t], dim=-1).float()


def test_shuffled_minibatches_have_every_state_once():
    batches = list(simulate.minibatches(numbered(), 8, False, Rng(0)))
    assert [len(b) for b in batches] == [8, 8, 8]
    seen = torch.cat(batches)
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, numbered().reshape(-1, 2).tolist()))


def test_shuffled_minibatches_mix_trajectories_and_periods():
    first = next(iter(simulate.minibatches(numbered(), 8, False, Rng(0))))
    assert len(set(first[:, 0].tolist())) > 1
    assert len(set(first[:, 1].tolist())) > 1


def test_another_pass_has_another_order():
    rng = Rng(0)
    one, other = (torch.cat(list(simulate.minibatches(numbered(), 8, False, rng))) for _ in range(2))
    assert not torch.equal(one, other)


def test_a_remainder_is_left_out():
    assert [len(b) for b in simulate.minibatches(numbered(), 10, False, Rng(0))] == [10, 10]


def test_sorted_minibatches_are_contiguous_pieces_of_one_trajectory():
    for batch in simulate.minibatches(numbered(), 3, True, Rng(0)):
        assert len(set(batch[:, 0].tolist())) == 1
        assert (batch[:, 1].diff() == 1).all()


def test_sorted_minibatches_have_every_state_once_in_random_order_of_the_pieces():
    batches = list(simulate.minibatches(numbered(), 3, True, Rng(0)))
    assert len({tuple(map(tuple, batch.tolist())) for batch in batches}) == 8
    in_order = numbered().transpose(0, 1).reshape(-1, 2)
    assert not torch.equal(torch.cat(batches), in_order)


def test_finite_marks_states_with_a_number_that_is_not():
    states = torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [0.0, float("inf")]])
    assert simulate.finite(states).tolist() == [True, False, False]
