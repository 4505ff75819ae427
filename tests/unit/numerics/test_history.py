"""Histories of shocks."""

from __future__ import annotations

import torch

from deqn.numerics.history import push


def test_the_last_shocks_stand_newest_first():
    history = torch.zeros(2, 3)
    for shock in (1.0, 2.0, 3.0, 4.0):
        history = push(history, torch.tensor([shock, -shock]))
    assert history.tolist() == [[4.0, 3.0, 2.0], [-4.0, -3.0, -2.0]]


def test_many_nodes_of_a_shock_give_as_many_histories():
    found = push(torch.zeros(1, 4, 3), torch.arange(2.0)[:, None])
    assert found.shape == (2, 4, 3)
    assert found[1, 0].tolist() == [1.0, 0.0, 0.0]
