"""The table of `--check`: what each equation adds to the loss."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

import deqn
from deqn.configuration.compose import compose
from deqn.training.shares import initial_terms, shares_table
from tests.conftest import TINY, assert_same


def trainer(*overrides: str) -> deqn.Trainer:
    return deqn.Trainer(deqn.Model(compose([*TINY, *overrides]).config))


def test_the_table_has_weight_and_share_of_each_equation():
    console = Console(file=io.StringIO(), width=80)
    console.print(shares_table(trainer("run.loss.weights={euler: 2.5}")))
    (row,) = (line for line in console.file.getvalue().splitlines() if "euler" in line)
    assert [cell.strip() for cell in row.replace("┃", "│").split("│")] == ["equation euler", "2.5", "100.0 %"]


def test_looking_at_shares_moves_no_generator():
    model = trainer("run.expectation_type=pseudo_random")
    before = model.state.payload()
    initial_terms(model)
    assert_same(model.state.payload(), before)


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_shares_are_known_with_an_eligibility_trace(decay):
    found = initial_terms(trainer("run.sorted_within_batch=true", f"run.loss.trace_decay={decay}"))
    assert torch.isfinite(found.loss)
