"""Names of activations mean what Keras and TensorFlow mean by them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from deqn.configuration.activations import activation
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
    torch.testing.assert_close(activation(name, "here")(X), ACTIVATIONS[name](X), rtol=1e-5, atol=1e-6)


def test_a_dotted_path_names_a_function_of_ones_own():
    assert activation("deqn.training.loss.squared_sum", "here")(X) == (X**2).sum()


@pytest.mark.parametrize("name", ["tf.nn.rellu", "sum", "Tensor", "zeros", "__import__", "torch.load"])
def test_what_is_no_activation_is_refused_with_its_place(name):
    with pytest.raises(ConfigError, match=r"net.layers\[0\] = "):
        activation(name, "net.layers[0]")


def test_names_are_never_evaluated():
    with pytest.raises(ConfigError):
        activation("__import__('os').system('true')", "here")


def test_gelu_of_torch_is_the_exact_one():
    torch.testing.assert_close(activation("F.gelu", "here")(X), F.gelu(X))
