"""A root for each entry, and its gradient by the implicit function theorem."""

from __future__ import annotations

import pytest
import torch

from deqn.numerics.root import root

a = torch.linspace(0.1, 50, 40, dtype=torch.float64)


def power(a: torch.Tensor, exponent: float) -> torch.Tensor:
    return root(lambda x: x**exponent - a, torch.zeros_like(a), torch.full_like(a, 60.0))


@pytest.mark.parametrize("exponent", [1.0, 2.0, 7.0, 0.3])
def test_a_power_is_inverted_to_the_last_digits(exponent):
    expected = a ** (1 / exponent)
    found = root(lambda x: x**exponent - a, torch.zeros_like(a), 2 * expected + 1)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_a_steep_and_a_flat_function():
    found = root(lambda x: torch.tanh(40 * (x - 0.123)), -a, a)
    torch.testing.assert_close(found[2:], torch.full_like(a[2:], 0.123), rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_the_inverse():
    leaf = a.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(power(leaf, 2.0).sum(), leaf)
    torch.testing.assert_close(gradient, 0.5 * a**-0.5)


def test_the_jacobian_state_by_state_is_too():
    jacobian = torch.func.vmap(torch.func.jacrev(lambda each: power(each, 2.0)))(a[:, None])
    torch.testing.assert_close(jacobian[:, 0, 0], 0.5 * a**-0.5)
    _, along = torch.func.jvp(lambda each: power(each, 2.0), (a,), (torch.ones_like(a),))
    torch.testing.assert_close(along, 0.5 * a**-0.5)


@pytest.mark.parametrize("again", [torch.func.jacfwd, torch.func.jacrev])
def test_the_second_derivative_is_exact_too(again):
    """Of a^(1 / 2) and, in two variables, of the x at which b x + x^3 = a."""
    second = again(torch.func.jacrev(lambda each: power(each, 2.0).sum()))(a)
    torch.testing.assert_close(second.diagonal(), -0.25 * a**-1.5)

    def cubic(y: torch.Tensor) -> torch.Tensor:
        return root(lambda x: y[1] * x + x**3 - y[0], torch.zeros(1).double(), torch.full((1,), 9.0).double()).sum()

    y = torch.tensor([3.0, 2.0], dtype=torch.float64)  # the root is one, and the function's slope 5 there
    expected = torch.tensor([[-6 / 125, -(5 - 6) / 125], [-(5 - 6) / 125, 2 / 25 - 6 / 125]], dtype=torch.float64)
    torch.testing.assert_close(again(torch.func.jacrev(cubic))(y), expected)


def test_the_price_that_clears_a_market():
    """Demand 1 / p of each of three goods' owners, supply s: the price is the number of owners over the supply."""
    supply = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64, requires_grad=True)
    price = root(lambda p: 3 / p - supply, torch.full((3,), 1e-3, dtype=torch.float64), torch.full((3,), 1e3).double())
    torch.testing.assert_close(price, 3 / supply)
    price.sum().backward()
    torch.testing.assert_close(supply.grad, (-3 / supply**2).detach())


def test_without_a_bracket_the_nearer_end_comes_back_without_a_gradient():
    leaf = torch.tensor([5.0, 0.5], dtype=torch.float64, requires_grad=True)
    found = root(lambda x: x - leaf, torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    assert found.tolist() == [1.0, 0.5]
    found.sum().backward()
    assert leaf.grad.tolist() == [0.0, 1.0]


def test_float32_ends_at_its_own_precision():
    found = root(lambda x: x**2 - a.float(), torch.zeros(40), torch.full((40,), 60.0))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, a.float() ** 0.5)
