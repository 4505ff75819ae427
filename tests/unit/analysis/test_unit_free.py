"""Residuals without a unit, where Equations.py gives them."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.analysis.trained import Trained
from deqn.errors import ModelError
from tests.conftest import ROOT, TINY, own_model

EULER = (ROOT / "models" / "brock_mirman" / "Equations.py").read_text(encoding="utf-8")
UNIT_FREE = "\n\ndef unit_free(state, policy_state):\n    return {n: 3 * x for n, x in equations(state, policy_state).items()}\n"


def trained(tmp_path, equations: str) -> Trained:
    models = own_model(tmp_path / "models", Equations=equations)
    model = deqn.load_model("brock_mirman", [*TINY[1:], "MODEL_NAME=mine", f"MODELS_DIR={models}"])
    return Trained(model, tmp_path, model.initial_states(16))


def test_they_are_those_of_the_models_function(tmp_path):
    run = trained(tmp_path, EULER + UNIT_FREE)
    states = run.model.initial_states(50)
    torch.testing.assert_close(run.unit_free(states)["euler"], 3 * run.residuals(states)["euler"])


def test_without_such_a_function_there_are_none(tmp_path):
    run = trained(tmp_path, EULER)
    assert run.unit_free(run.model.initial_states(5)) == {}


def test_where_it_fails_the_line_is_named(tmp_path):
    run = trained(tmp_path, f"{EULER}\n\ndef unit_free(state, policy_state):\n    return 1 / 0\n")
    with pytest.raises(
        ModelError, match=r"Equations\.py:\d+: unit_free\(state, policy_state\) failed: ZeroDivisionError"
    ):
        run.unit_free(run.model.initial_states(5))


def test_those_of_irbc_are_relative_errors_of_consumption():
    """A country's consumption is A lambda^-gamma: a small error of lambda is gamma times as large in it."""
    model = deqn.load_model("irbc", ["run.keras_precision=float64"])
    run = Trained(model, None, model.initial_states(4))
    states = model.initial_states(20)
    residual, relative = run.residuals(states)["euler"], run.unit_free(states)["euler"]
    C, log_lambda = run.definitions(states)["C"], run.definitions(states)["log_lambda"]
    asked = model.Parameters.A * torch.exp(-model.Parameters.gamma * (log_lambda[:, None] + torch.log(1 - residual)))
    torch.testing.assert_close(relative, asked / C - 1, rtol=1e-6, atol=1e-9)
