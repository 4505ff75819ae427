"""Brock-Mirman without shocks against the TensorFlow library's own numbers and the closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import deqn
from deqn.training import loss
from tests.conftest import with_tensorflow_weights


@pytest.fixture
def with_tf_weights() -> tuple[deqn.Model, np.lib.npyio.NpzFile]:
    model = deqn.load_model("bm1972")
    return model, with_tensorflow_weights(model)


def test_policies_equal_the_tensorflow_librarys(with_tf_weights):
    model, stored = with_tf_weights
    torch.testing.assert_close(
        model.policy(torch.tensor(stored["x"])).detach(), torch.tensor(stored["p"]), atol=1e-6, rtol=0
    )


def test_residuals_equal_the_tensorflow_librarys(with_tf_weights):
    model, stored = with_tf_weights
    states = torch.tensor(stored["x"])
    residuals = model.equations(states, torch.tensor(stored["p"]))["REE"].detach()
    torch.testing.assert_close(residuals, torch.tensor(stored["eq_REE"]), atol=1e-5, rtol=0)


def test_loss_with_and_without_penalties_equals_the_tensorflow_librarys(with_tf_weights):
    model, stored = with_tf_weights
    terms = loss.terms(model, torch.tensor(stored["x"]))
    assert [terms.loss.item(), terms.net_loss.item()] == pytest.approx(stored["loss"].tolist(), abs=1e-5)


def test_the_closed_form_has_no_residual():
    model = deqn.load_model("bm1972", ["run.keras_precision=float64"])
    alpha, beta = model.Parameters.alpha, model.Parameters.beta
    states = torch.linspace(0.1, 1.0, 50, dtype=torch.float64).unsqueeze(-1)
    model.expectations.policy = lambda s: torch.full_like(s, alpha * beta)
    residuals = model.equations(states, torch.full_like(states, alpha * beta))["REE"]
    assert residuals.abs().max() < 1e-12
