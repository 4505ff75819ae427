"""Optimizers of the TensorFlow library get their names here; its schedules give the learning rates that Keras documents."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.configuration import schedules
from deqn.tensorflow.optimizers import rename, schedule


def rates(name, kwargs, steps):
    """The learning rates of the first steps."""
    made = schedule(name, kwargs)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=made["learning_rate"])
    factory = schedules.schedule(made["learning_rate_schedule"], made["schedule_kwargs"], steps)
    scheduler, found = factory(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def cosine(step):
    if step < 3:
        return 0.01 + (0.1 - 0.01) * step / 3
    return 0.1 * (0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * min(step - 3, 10) / 10)))


# Keras' documented formulas, written anew
CASES = {
    "ExponentialDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 4, "decay_rate": 0.5, "staircase": True},
        lambda step: 0.1 * 0.5 ** (step // 4),
    ),
    "PolynomialDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 5, "end_learning_rate": 0.01, "power": 2.0, "cycle": False},
        lambda step: (0.1 - 0.01) * (1 - min(step, 5) / 5) ** 2 + 0.01,
    ),
    "PiecewiseConstantDecay": (
        {"boundaries": [2, 4], "values": [0.1, 0.05, 0.02]},
        lambda step: 0.1 if step <= 2 else 0.05 if step <= 4 else 0.02,
    ),
    "InverseTimeDecay": (
        {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.5, "name": "mine"},
        lambda step: 0.1 / (1 + 0.5 * step / 2),
    ),
    "CosineDecay": (
        {"initial_learning_rate": 0.01, "decay_steps": 10, "alpha": 0.2, "warmup_target": 0.1, "warmup_steps": 3},
        cosine,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_learning_rates_are_those_of_keras(name):
    kwargs, formula = CASES[name]
    assert rates(name, kwargs, 8) == pytest.approx([formula(step) for step in range(8)])


def test_warm_up_without_a_target_is_none_as_in_keras():
    made = schedule("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "warmup_steps": 3})
    assert made["schedule_kwargs"] == {"decay_steps": 10}


def test_mao_has_its_learning_rate_and_its_arguments_and_finds_its_tasks_itself():
    mao = {"optimizer": "mao", "learning_rate": 1.0, "global_lr": 0.01, "beta1": 0.8, "epsilon": 1e-8, "num_tasks": 18}
    notes = rename(mao)
    assert mao == {"optimizer": "MAO", "learning_rate": 0.01, "optimizer_kwargs": {"beta_1": 0.8, "epsilon": 1e-8}}
    assert notes == ["optimizer.optimizer: mao is MAO here."]


def test_natural_gradients_after_a_warm_start_are_two_phases():
    warm = {"optimizer": "WARM_NGD", "warm_learning_rate": 0.01, "warm_start_n_episodes": 7, "final_damping": 0.1}
    notes = rename(warm)
    first, second = warm["phases"]
    assert (first["optimizer"], first["learning_rate"], first["N_episodes"]) == ("Adam", 0.01, 7)
    assert second == {"optimizer": "NaturalGradient", "learning_rate": 0.01, "optimizer_kwargs": {"damping": 0.1}}
    assert "Its damping is relative" in notes[1]


def test_an_optimizer_of_keras_keeps_its_name():
    adam = {"optimizer": "Adam", "learning_rate": 0.01}
    assert rename(adam) == []
    assert adam == {"optimizer": "Adam", "learning_rate": 0.01}
