"""deqn/analysis/accuracy.py: rows for the entries of an equation, and for the mass of agents."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.analysis.accuracy import accuracy, accuracy_by_entry


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("krusell_smith", ["constants.nA=40", "run.keras_precision=float64"])


def test_the_worst_entry_of_an_equation_is_not_drowned_by_the_others(model):
    """One household of many is off by a tenth: the pooled median does not see it."""
    states = model.initial_states(50)
    residual = torch.full((50, 2, 30), 1e-6)
    residual[:, 1, 7] = -0.1
    frame = accuracy(model, states, {"euler": residual})
    assert frame.loc["euler", "p50"] == pytest.approx(1e-6)
    assert frame.loc["euler[1,7], largest", "mean"] == pytest.approx(0.1)
    every = accuracy_by_entry({"euler": residual})
    assert list(every.index[:2]) == ["euler[0,0]", "euler[0,1]"]
    assert len(every) == 60
    assert every["mean"].idxmax() == "euler[1,7]"


def test_residuals_are_weighted_by_a_histogram_of_the_same_shape(model):
    states = model.initial_states(20)
    (column,) = (c for c in model.state_columns if c.shape)
    mass = column.raw(states)
    where_nobody_is = mass < 1e-9
    assert where_nobody_is.any()
    residual = torch.where(where_nobody_is, 1.0, 1e-3)
    frame = accuracy(model, states, {"euler": residual})
    row = frame.loc[f"euler, weighted by {column.name}"]
    assert frame.loc["euler", "mean"] > 10 * row["mean"]
    assert row["mean"] == pytest.approx(float((mass * residual).flatten(1).sum(1).mean()))
    assert row[["p50", "p95", "p99"]].tolist() == pytest.approx([1e-3] * 3)


def test_weighted_quantiles_are_those_of_repeated_values(model):
    """Weights that are whole numbers of a unit stand for so many agents."""
    (column,) = (c for c in model.state_columns if c.shape)
    entries = column.stop - column.start
    weights = torch.zeros(entries, dtype=torch.float64)
    weights[:4] = torch.tensor([60.0, 30.0, 8.0, 2.0]) / 100
    states = model.initial_states(1).clone()
    states[:, column.start : column.stop] = weights
    residual = torch.zeros(entries, dtype=torch.float64)
    residual[:4] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    row = accuracy(model, states, {"euler": residual.view(1, *column.shape)}).loc[f"euler, weighted by {column.name}"]
    assert row["mean"] == pytest.approx(0.6 + 0.6 + 0.24 + 0.08)
    assert row[["p50", "p95", "p99", "max"]].tolist() == [1.0, 3.0, 4.0, 4.0]


def test_an_equation_without_a_shape_has_one_row(model):
    frame = accuracy(model, model.initial_states(10), {"euler": torch.rand(10)})
    assert list(frame.index) == ["euler"]
