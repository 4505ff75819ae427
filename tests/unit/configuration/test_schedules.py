"""Names of schedules mean what Keras means by them."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.configuration.schedules import as_factors, schedule
from deqn.errors import ConfigError


def rates(name: str, kwargs: dict, n: int) -> list[float]:
    """Learning rates of the first n gradient steps."""
    optimizer = torch.optim.SGD([torch.zeros(3, requires_grad=True)], lr=0.1)
    advancing = schedule(name, kwargs, total_steps=10)(optimizer)
    result = []
    for _ in range(n):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        advancing.step()
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
        schedule("ExponentialDecay", {}, 10)


def keras_restarts(step: int, first: int, t_mul: float, m_mul: float, alpha: float) -> float:
    """As Keras writes it: the number of restarts by a logarithm."""
    fraction = step / first
    if t_mul == 1:
        i = math.floor(fraction)
        fraction -= i
    else:
        i = math.floor(math.log(1 - fraction * (1 - t_mul)) / math.log(t_mul) + 1e-9)
        fraction = (fraction - (1 - t_mul**i) / (1 - t_mul)) / t_mul**i
    return (1 - alpha) * 0.5 * m_mul**i * (1 + math.cos(math.pi * fraction)) + alpha


@pytest.mark.parametrize(("t_mul", "m_mul"), [(1.0, 1.0), (2.0, 0.5), (1.5, 0.9)])
def test_cosine_decay_restarts_as_keras_does(t_mul, m_mul):
    kwargs = {"first_decay_steps": 3, "t_mul": t_mul, "m_mul": m_mul, "alpha": 0.1}
    expected = [0.1 * keras_restarts(t, 3, t_mul, m_mul, 0.1) for t in range(20)]
    assert rates("CosineDecayRestarts", kwargs, 20) == pytest.approx(expected)


def test_keras_rates_become_factors_of_the_first_one():
    assert as_factors("PiecewiseConstantDecay", {"boundaries": [3], "values": [0.2, 0.1]}, 1.0) == (
        0.2, {"boundaries": [3], "factors": [1.0, 0.5]},
    )  # fmt: skip
    assert as_factors("PolynomialDecay", {"initial_learning_rate": 0.2, "end_learning_rate": 0.1}, 1.0) == (
        0.2, {"end_factor": 0.5},
    )  # fmt: skip
    warm = {"initial_learning_rate": 0.25, "warmup_target": 0.5, "warmup_steps": 5}
    assert as_factors("CosineDecay", warm, 1.0) == (0.5, {"initial_factor": 0.5, "warmup_steps": 5})
    assert as_factors("ExponentialLR", {"gamma": 0.5}, 0.3) == (0.3, {"gamma": 0.5})


def test_a_rate_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="expected learning rates above 0"):
        schedule("PiecewiseConstantDecay", {"boundaries": [], "values": []}, 10)


def test_a_wrong_argument_of_a_plateau_is_refused():
    with pytest.raises(ConfigError, match=r"patiense is not an argument of ReduceLROnPlateau. Did you mean patience"):
        schedule("ReduceLROnPlateau", {"patiense": 3}, 10)
