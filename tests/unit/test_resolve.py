"""Names of the YAML files mean what Keras and TensorFlow mean by them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from deqn import resolve
from deqn.errors import ConfigError

X = torch.linspace(-3, 3, 13)

# name -> the function as TensorFlow's documentation defines it
ACTIVATIONS = {
    "relu": lambda x: x.clamp(min=0),
    "tf.nn.relu": lambda x: x.clamp(min=0),
    "tf.keras.activations.relu": lambda x: x.clamp(min=0),
    "tf.nn.leaky_relu": lambda x: torch.where(x > 0, x, 0.2 * x),
    "tf.keras.activations.sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tf.nn.sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tf.math.exp": torch.exp,
    "tf.exp": torch.exp,
    "exponential": torch.exp,
    "tf.nn.softplus": lambda x: torch.log1p(torch.exp(x)),
    "tf.math.softplus": lambda x: torch.log1p(torch.exp(x)),
    "swish": lambda x: x / (1 + torch.exp(-x)),
    "tf.nn.silu": lambda x: x / (1 + torch.exp(-x)),
    "tf.nn.tanh": torch.tanh,
    "tf.nn.elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "tf.nn.selu": lambda x: 1.05070098 * torch.where(x > 0, x, 1.67326324 * (torch.exp(x) - 1)),
    "tf.nn.softsign": lambda x: x / (1 + x.abs()),
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "gelu": lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2))),
    "tf.nn.relu6": lambda x: x.clamp(0, 6),
    "linear": lambda x: x,
    "tf.identity": lambda x: x,
    "torch.tanh": torch.tanh,
    "torch.nn.functional.leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "torch.special.expit": lambda x: 1 / (1 + torch.exp(-x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_function_of_its_documentation(name):
    torch.testing.assert_close(resolve.activation(name, "here")(X), ACTIVATIONS[name](X), rtol=1e-5, atol=1e-6)


def test_a_dotted_path_names_a_function_of_ones_own():
    assert resolve.activation("deqn.loss.squared_sum", "here")(X) == (X**2).sum()


@pytest.mark.parametrize("name", ["tf.nn.rellu", "sum", "Tensor", "zeros", "__import__", "torch.load"])
def test_what_is_no_activation_is_refused_with_its_place(name):
    with pytest.raises(ConfigError, match=r"net.layers\[0\] = "):
        resolve.activation(name, "net.layers[0]")


def test_names_are_never_evaluated():
    with pytest.raises(ConfigError):
        resolve.activation("__import__('os').system('true')", "here")


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
    group = resolve.optimizer(name, [WEIGHT], 0.01, {}).param_groups[0]
    assert group["lr"] == 0.01
    assert {key: group[key] for key in expected} == expected


def test_keras_argument_names_are_understood():
    group = resolve.optimizer("Adam", [WEIGHT], 0.01, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}).param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-3)
    assert resolve.optimizer("RMSprop", [WEIGHT], 0.01, {"rho": 0.7}).param_groups[0]["alpha"] == 0.7


def test_an_optimizer_that_only_pytorch_has_keeps_pytorchs_defaults():
    assert resolve.optimizer("RAdam", [WEIGHT], 0.01, {}).param_groups[0]["eps"] == 1e-8


def test_a_wrong_value_of_an_optimizer_names_the_key():
    with pytest.raises(ConfigError, match=r"optimizer.optimizer_kwargs for Adam: Invalid beta"):
        resolve.optimizer("Adam", [WEIGHT], 0.01, {"beta_1": 2.0})


def rates(name: str, kwargs: dict, n: int) -> list[float]:
    """Learning rates of the first n gradient steps."""
    optimizer = resolve.optimizer("SGD", [WEIGHT], 0.1, {})
    schedule = resolve.schedule(name, kwargs, total_steps=10)(optimizer)
    result = []
    for _ in range(n):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return result


SCHEDULES = {
    "CosineDecay": (
        {"decay_steps": 8, "alpha": 0.1},
        lambda t: 0.9 * 0.5 * (1 + math.cos(math.pi * min(t, 8) / 8)) + 0.1,
    ),
    "ExponentialDecay": ({"decay_steps": 4, "decay_rate": 0.5}, lambda t: 0.5 ** (t / 4)),
    "InverseTimeDecay": ({"decay_steps": 4, "decay_rate": 0.5}, lambda t: 1 / (1 + 0.5 * t / 4)),
    "PolynomialDecay": (
        {"decay_steps": 6, "end_factor": 0.2, "power": 2.0},
        lambda t: 0.8 * (1 - min(t, 6) / 6) ** 2 + 0.2,
    ),
    "PiecewiseConstantDecay": (
        {"boundaries": [2, 5], "factors": [1.0, 0.5, 0.1]},
        lambda t: 1.0 if t <= 2 else 0.5 if t <= 5 else 0.1,
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_keras_schedule_follows_its_formula(name):
    kwargs, formula = SCHEDULES[name]
    assert rates(name, kwargs, 12) == pytest.approx([0.1 * formula(t) for t in range(12)])


def test_a_staircase_goes_down_in_steps():
    expected = [0.1 * 0.5 ** (t // 4) for t in range(12)]
    assert rates("ExponentialDecay", {"decay_steps": 4, "decay_rate": 0.5, "staircase": True}, 12) == pytest.approx(
        expected
    )


def test_cosine_decay_warms_up_from_zero_and_decays_over_the_whole_run():
    warm = rates("CosineDecay", {"warmup_steps": 2}, 11)
    assert warm[:3] == pytest.approx([0.0, 0.05, 0.1])
    assert warm[10] == pytest.approx(0.0, abs=1e-12)  # total_steps are 10


def test_a_schedule_of_pytorch_is_found():
    assert rates("ExponentialLR", {"gamma": 0.5}, 3) == pytest.approx([0.1, 0.05, 0.025])


def test_a_schedule_without_what_it_needs_is_refused():
    with pytest.raises(ConfigError, match=r"schedule_kwargs = \{\}: 'decay_rate' is missing for ExponentialDecay"):
        resolve.schedule("ExponentialDecay", {}, 10)


def test_a_missing_argument_of_a_distribution_is_named():
    with pytest.raises(ConfigError, match=r"init.kwargs: 'value' is missing for constant\(value\)"):
        resolve.distribution("constant", {}, "init")


def test_gelu_of_torch_is_the_exact_one():
    torch.testing.assert_close(resolve.activation("F.gelu", "here")(X), F.gelu(X))
