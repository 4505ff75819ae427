"""Lambdas given as texts: what they compute, and what they may not hold."""

from __future__ import annotations

import pytest
import torch

from deqn.configuration.activations import activation
from deqn.configuration.lambdas import with_numbers
from deqn.errors import ConfigError

X = torch.tensor([-2.0, -0.5, 0.0, 1.5])
CASES = {
    "lambda x: -tf.nn.softplus(x)": lambda x: -torch.log1p(torch.exp(x)),
    "lambda y: 0.1 + (0.9 - 0.1) * tf.math.sigmoid(y)": lambda x: 0.1 + 0.8 / (1 + torch.exp(-x)),
    "lambda x: tf.maximum(x, 1e-5)": lambda x: x.clamp(min=1e-5),
    "lambda x: tf.clip_by_value(x, -1, 1.)": lambda x: x.clamp(-1, 1),
    "lambda x: tf.where(x > 0, x, 0.1 * x)": lambda x: torch.where(x > 0, x, 0.1 * x),
    "lambda x: x": lambda x: x,
    "lambda x: tf.exp(x) / 2 ** 3 - +1": lambda x: torch.exp(x) / 8 - 1,
}  # fmt: skip


@pytest.mark.parametrize("text", CASES)
def test_a_lambda_computes_what_python_would(text):
    torch.testing.assert_close(activation(text, "activation")(X), CASES[text](X))


@pytest.mark.parametrize(
    "text",
    [
        "lambda x: __import__('os').system('true')",
        "lambda x: x.__class__",
        "lambda x: [x][0]",
        "lambda x: (lambda y: y)(x)",
        "lambda x, y: x",
        "lambda x=1: x",
        "lambda x: k * x",
        "lambda x: open(x)",
        "lambda x: 'text'",
        "lambda x:",
    ],
)
def test_anything_else_is_refused_and_not_run(text):
    with pytest.raises(ConfigError, match=r"activation = "):
        activation(text, "activation")


def test_names_of_constants_stand_for_their_numbers():
    text = with_numbers("lambda x: low + (high - low) * tf.sigmoid(x)", {"low": 0.1, "high": 2, "x": 7})
    assert text == "lambda x: 0.1 + (2 - 0.1) * tf.sigmoid(x)"
    assert with_numbers("tf.nn.relu", {"tf": 3.0}) == "tf.nn.relu"
