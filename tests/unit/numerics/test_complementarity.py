"""deqn/numerics/complementarity.py."""

from __future__ import annotations

import pytest
import torch

from deqn.numerics.complementarity import fischer_burmeister


@pytest.mark.parametrize(("gap", "distance"), [(0.0, 3.0), (0.4, 0.0), (0.0, 0.0)])
def test_the_complementarity_function_is_zero_where_it_should_be(gap, distance):
    value = fischer_burmeister(torch.tensor(gap), torch.tensor(distance))
    assert value.abs() < 1e-11


def test_the_complementarity_function_keeps_a_small_gap_beside_a_large_distance_in_float32():
    value = fischer_burmeister(torch.tensor(1e-6, dtype=torch.float32), torch.tensor(100.0, dtype=torch.float32))
    assert float(value) == pytest.approx(1e-6, rel=1e-4)


@pytest.mark.parametrize(("gap", "distance"), [(-0.3, 2.0), (0.3, 0.5), (0.3, -0.5)])
def test_the_complementarity_function_is_not_zero_elsewhere_and_has_a_finite_gradient(gap, distance):
    x, y = torch.tensor(gap, requires_grad=True), torch.tensor(distance, requires_grad=True)
    value = fischer_burmeister(x, y)
    value.backward()
    exact = gap + distance - (gap**2 + distance**2) ** 0.5
    assert value.item() == pytest.approx(exact, abs=1e-6)
    assert torch.isfinite(torch.stack([x.grad, y.grad])).all()


def test_smoothed_it_is_zero_where_the_product_is_the_square_of_the_smoothing():
    x = torch.logspace(-6, 3, 40, dtype=torch.float64)
    values = fischer_burmeister(x, 0.01**2 / x, smoothing=0.01)
    assert values.abs().max() < 1e-13
    assert fischer_burmeister(torch.zeros(1), torch.zeros(1), smoothing=0.1).item() == pytest.approx(-0.1 * 2**0.5)
