"""Optimizers of this library, each step against its formula in numbers, and on problems whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch

from deqn.numerics.adahessian import AdaHessian
from deqn.numerics.beyond_gradient import BeyondGradient, Problem
from deqn.numerics.ftrl import Ftrl
from deqn.numerics.lion import Lion
from deqn.numerics.mao import MAO
from deqn.numerics.natural_gradient import NaturalGradient

GRADIENTS = [0.3, -0.7, 0.2, 0.05]


def path(optimizer: torch.optim.Optimizer, parameter: torch.Tensor, gradients=GRADIENTS) -> list[float]:
    """One entry of the parameter after each gradient."""
    found = []
    for gradient in gradients:
        parameter.grad = torch.full_like(parameter, gradient)
        optimizer.step()
        found.append(parameter.flatten()[0].item())
    return found


def weight(value: float = 0.5) -> torch.Tensor:
    return torch.full((2, 3), value, dtype=torch.float64, requires_grad=True)


def test_lion_follows_its_formula():
    x, m, expected = 0.5, 0.0, []
    for g in GRADIENTS:
        x, m = x - 0.1 * (math.copysign(1, 0.9 * m + 0.1 * g) + 0.2 * x), 0.99 * m + 0.01 * g
        expected.append(x)
    parameter = weight()
    assert path(Lion([parameter], lr=0.1, weight_decay=0.2), parameter) == pytest.approx(expected)


@pytest.mark.parametrize(
    "options", [{}, {"l1": 0.3, "l2": 0.1, "l2_shrinkage": 0.05, "beta": 0.2, "learning_rate_power": -0.4}]
)
def test_ftrl_follows_its_formula(options):
    """McMahan and others (2013), algorithm 1, one coordinate."""
    l1, l2, shrinkage = (options.get(name, 0.0) for name in ("l1", "l2", "l2_shrinkage"))
    power, beta = -options.get("learning_rate_power", -0.5), options.get("beta", 0.0)
    x, n, z, expected = 0.5, 0.1, 0.0, []
    for g in GRADIENTS:
        z += g + 2 * shrinkage * x - ((n + g * g) ** power - n**power) / 0.1 * x
        n += g * g
        x = 0.0 if abs(z) <= l1 else (math.copysign(l1, z) - z) / (n**power / 0.1 + 2 * l2 + beta / 0.1)
        expected.append(x)
    parameter = weight()
    assert path(Ftrl([parameter], lr=0.1, **options), parameter) == pytest.approx(expected)


def advance(optimizer: BeyondGradient, parameters, components, linearised=None) -> None:
    """One step on a function of the parameters, as training takes it."""
    flat, optimizer.more = optimizer.differentiate(Problem(components(), parameters, linearised))
    start = 0
    for parameter in parameters:
        parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
    optimizer.step()


def test_mao_of_one_task_is_adam():
    ours, theirs = (weight() for _ in range(2))
    mao, adam = MAO([ours], lr=0.01), torch.optim.Adam([theirs], lr=0.01)
    for k in range(5):
        advance(mao, [ours], lambda k=k: [(ours**2 * (k + 1)).sum()])
        adam.zero_grad()
        (theirs**2 * (k + 1)).sum().backward()
        adam.step()
    torch.testing.assert_close(ours, theirs)


def test_mao_adds_up_the_steps_of_adam_of_each_task():
    start, functions = 0.5, [lambda x: (1000 * x).sum(), lambda x: (0.001 * x**2).sum()]
    ours = weight(start)
    advance(MAO([ours], lr=0.01), [ours], lambda: [f(ours) for f in functions])
    moved = 0.0
    for f in functions:
        alone = weight(start)
        f(alone).backward()
        torch.optim.Adam([alone], lr=0.01).step()
        moved += (alone - start).detach()
    torch.testing.assert_close((ours - start).detach(), moved)


def test_mao_finds_the_number_of_tasks_by_itself():
    parameter = weight()
    optimizer = MAO([parameter])
    advance(optimizer, [parameter], lambda: [parameter.sum(), parameter.square().sum(), torch.zeros(())])
    assert optimizer.state[parameter]["exp_avg"].shape == (3, 2, 3)


def test_adahessian_of_a_sum_of_squares_has_the_exact_diagonal():
    """Of f = sum a_i x_i²/2 the Hessian is diagonal, so that z * Hz is a_i whatever the signs: the first step is lr g / a."""
    scales = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    parameter = torch.ones(3, dtype=torch.float64, requires_grad=True)
    advance(AdaHessian([parameter], lr=0.1, eps=1e-12), [parameter], lambda: [(scales * parameter**2 / 2).sum()])
    torch.testing.assert_close(parameter.detach(), torch.full((3,), 0.9, dtype=torch.float64))


def test_adahessian_estimates_the_diagonal_of_any_hessian():
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    parameter = torch.ones(2, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    optimizer = AdaHessian([parameter])
    problem = Problem([parameter @ matrix @ parameter / 2], [parameter], None)
    mean = torch.stack([optimizer.differentiate(problem)[1][0] for _ in range(2000)]).mean(0)
    torch.testing.assert_close(mean, matrix.diagonal(), atol=0.05, rtol=0)


def test_adahessian_follows_its_formula():
    x, m, v, expected = 0.5, 0.0, 0.0, []
    parameter = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    optimizer = AdaHessian([parameter], lr=0.1, weight_decay=0.3, hessian_power=0.5)
    for t in range(1, 4):
        g, h = x**3, 3 * x**2
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * h * h
        x = x * (1 - 0.1 * 0.3) - 0.1 * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)) ** 0.25 + 1e-4)
        expected.append(x)
        advance(optimizer, [parameter], lambda: [(parameter**4 / 4).sum()])
    assert x == pytest.approx(parameter.item())


MATRIX = torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]], dtype=torch.float64)
TARGET = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def linear_step(optimizer: NaturalGradient, parameter: torch.Tensor) -> None:
    def linearised():
        return (MATRIX @ parameter - TARGET).detach(), MATRIX

    advance(optimizer, [parameter], lambda: [(MATRIX @ parameter - TARGET).square().sum()], linearised)


def test_a_whole_step_of_the_natural_gradient_solves_a_linear_problem():
    parameter = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    linear_step(NaturalGradient([parameter], lr=1.0, damping=1e-12, fisher_decay=0.0), parameter)
    torch.testing.assert_close(parameter.detach(), torch.linalg.lstsq(MATRIX, TARGET).solution)


def test_the_natural_gradient_is_that_of_any_other_parameters():
    """In parameters y, x = T y, a small step in y leads to the same x: the step does not depend on how one writes the model."""
    transform = torch.tensor([[2.0, 1.0], [0.0, 5.0]], dtype=torch.float64)
    steps = []
    for matrix in (MATRIX, MATRIX @ transform):
        parameter = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimizer = NaturalGradient([parameter], lr=0.1, damping=1e-13)
        residuals = lambda p, matrix=matrix: matrix @ p - TARGET  # noqa: E731
        advance(
            optimizer, [parameter], lambda r=residuals, p=parameter: [r(p).square().sum()],
            lambda r=residuals, p=parameter, matrix=matrix: (r(p).detach(), matrix),
        )  # fmt: skip
        steps.append(parameter.detach())
    torch.testing.assert_close(steps[0], transform @ steps[1])


def test_the_fisher_matrix_is_a_moving_average():
    parameter = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = NaturalGradient([parameter], fisher_decay=0.5)
    for _ in range(2):
        linear_step(optimizer, parameter)
    torch.testing.assert_close(optimizer.state[parameter]["fisher"], 0.75 * MATRIX.T @ MATRIX)


def test_a_network_whose_fisher_matrix_is_too_large_is_refused():
    with pytest.raises(ValueError, match="has 3,001 parameters"):
        NaturalGradient([torch.zeros(3001, requires_grad=True)])


@pytest.mark.parametrize(
    ("cls", "options"),
    [(Lion, {"betas": (1.0, 0.9)}), (MAO, {"betas": (1.0, 0.9)}), (AdaHessian, {"hessian_power": 2.0}), (Ftrl, {"l1": -1.0}),
     (NaturalGradient, {"damping": 0.0})],
)  # fmt: skip
def test_arguments_outside_their_range_are_refused(cls, options):
    with pytest.raises(ValueError, match="expected"):
        cls([weight()], **options)
