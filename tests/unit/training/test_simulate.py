"""Episodes and minibatches."""

from __future__ import annotations

import pytest
import torch

from deqn.numerics.rng import Rng
from deqn.training import simulate


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


@pytest.mark.parametrize("size", [3, 4, 5, 8])
def test_sorted_minibatches_are_the_trajectories_one_after_the_other(size):
    in_order = numbered().transpose(0, 1).reshape(-1, 2)
    expected = in_order[: 24 // size * size].reshape(-1, size, 2)
    batches = torch.stack(list(simulate.minibatches(numbered(), size, True, Rng(1))))
    assert sorted(batches.tolist()) == expected.tolist()


# -- episodes in pieces -----------------------------------------------------------------------------------------------


class Economy:
    """x' = a x + e, with a the weight of a network and e a draw."""

    def __init__(self):
        self.network = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.network.weight, 0.5)
        self.rng = Rng(7)
        self.start = torch.tensor([[1.0], [2.0], [3.0]])
        self.modes = []

    def step(self, x):
        self.modes.append(self.network.training)
        with torch.no_grad():
            return self.network(x) + self.rng.normal(x.shape)

    def train(self):
        """What gradient steps do: parameters change, numbers are drawn."""
        with torch.no_grad():
            self.network.weight.mul_(1.1)
        self.rng.uniform([3])

    def episode(self, pieces):
        return simulate.Episode(self.step, self.start, pieces, self.network, self.rng)


def test_every_pass_over_an_episode_in_pieces_has_the_states_of_one_that_is_held():
    held, other = Economy(), Economy()
    held.rng.integer()
    states, end = simulate.episode(held.step, held.start, 7)
    episode = other.episode([3, 3, 1])
    other.network.train()
    for _ in range(2):
        seen = []
        for piece in episode:
            assert other.network.training
            seen.append(piece.clone())
            other.train()
        assert [len(piece) for piece in seen] == [3, 3, 1]
        assert torch.equal(torch.cat(seen), states)
        assert torch.equal(episode.end, end)
    assert not any(other.modes)
    assert float(other.network.weight.detach()) == pytest.approx(0.5 * 1.1**6)
    assert len(other.modes) == 14


def test_after_an_episode_in_pieces_the_draws_go_on_behind_its_shocks():
    held, other = Economy(), Economy()
    held.rng.integer()
    simulate.episode(held.step, held.start, 4)
    episode = other.episode([2, 2])
    for _ in episode:
        other.train()
    episode.close()
    assert torch.equal(other.rng.uniform([5]), held.rng.uniform([5]))


def test_gradient_steps_of_an_episode_in_pieces_draw_other_numbers_than_its_shocks():
    economy = Economy()
    episode = economy.episode([1, 1])
    drawn = []
    for _ in range(2):
        for _ in episode:
            drawn += economy.rng.uniform([4]).tolist()
    assert len(set(drawn)) == 16


def test_one_piece_is_simulated_once():
    economy = Economy()
    episode = economy.episode([4])
    first, second = ([piece.clone() for piece in episode] for _ in range(2))
    assert len(economy.modes) == 4
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[0], simulate.episode(Economy().step, economy.start, 4)[0])


def test_finite_marks_states_with_a_number_that_is_not():
    states = torch.tensor([[1.0, 2.0], [float("nan"), 0.0], [0.0, float("inf")]])
    assert simulate.finite(states).tolist() == [True, False, False]


@pytest.mark.parametrize("pieces", [[3], [2, 1]])
def test_where_episodes_overlap_the_last_state_is_the_first_of_the_next(pieces):
    made = simulate.Episode(lambda x: x + 1, torch.zeros(1, 1), pieces, torch.nn.Linear(1, 1), Rng(0), overlap=True)
    states = torch.cat([piece.clone() for piece in made])
    assert states[:, 0, 0].tolist() == [0, 1, 2]
    assert made.end.tolist() == [[2]]
