"""Names of optimizers mean what Keras means by them."""

from __future__ import annotations

import pytest
import torch

from deqn.configuration.optimizers import optimizer
from deqn.errors import ConfigError

WEIGHT = torch.zeros(3, requires_grad=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Adam", {"eps": 1e-7, "betas": (0.9, 0.999), "weight_decay": 0}),
        ("AdamW", {"eps": 1e-7, "weight_decay": 0.004}),
        ("Adamax", {"eps": 1e-7}),
        ("Nadam", {"eps": 1e-7, "betas": (0.9, 0.999)}),
        ("RMSprop", {"eps": 1e-7, "alpha": 0.9, "momentum": 0}),
        ("Adagrad", {"eps": 1e-7, "initial_accumulator_value": 0.1}),
        ("Adadelta", {"eps": 1e-7, "rho": 0.95}),
        ("SGD", {"momentum": 0, "nesterov": False}),
    ],
)
def test_a_keras_optimizer_has_keras_defaults(name, expected):
    group = optimizer(name, [WEIGHT], 0.01, {}).param_groups[0]
    assert group["lr"] == 0.01
    assert {key: group[key] for key in expected} == expected


def test_keras_argument_names_are_understood():
    group = optimizer("Adam", [WEIGHT], 0.01, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}).param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-3)
    assert optimizer("RMSprop", [WEIGHT], 0.01, {"rho": 0.7}).param_groups[0]["alpha"] == 0.7


def test_an_optimizer_that_only_pytorch_has_keeps_pytorchs_defaults():
    assert optimizer("RAdam", [WEIGHT], 0.01, {}).param_groups[0]["eps"] == 1e-8


def test_a_wrong_value_of_an_optimizer_names_the_key():
    with pytest.raises(ConfigError, match=r"optimizer.optimizer_kwargs for Adam: Invalid beta"):
        optimizer("Adam", [WEIGHT], 0.01, {"beta_1": 2.0})
