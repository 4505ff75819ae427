"""Dense layers in other ways: the same numbers and gradients but for rounding, and a Sequential wherever they cannot be taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap
from torch.nn import functional as F

from deqn.economy.dense import Dense
from deqn.economy.network import Activation
from deqn.numerics.products import Ways, has_onednn

ROWS = 64
ONEDNN, TURNED = Ways("onednn", "onednn", "onednn"), Ways("plain", "turned", "turned")
FUNCTIONS = [F.relu, torch.tanh, F.sigmoid, F.silu, F.gelu]


def layers(way: Ways, function=F.silu, dtype=torch.float32) -> tuple[Dense, nn.Sequential]:
    """Two hidden layers in some way, and a Sequential of the same modules."""
    torch.manual_seed(0)
    modules = [nn.Linear(3, 20), Activation(function), nn.Linear(20, 20), Activation(function), nn.Linear(20, 2)]
    dense = Dense(*modules).to(dtype)
    dense.ways = {ROWS: [way] * 3}
    return dense, nn.Sequential(*modules)


def x_of(dtype=torch.float32) -> torch.Tensor:
    return torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1), dtype=dtype).requires_grad_()


def nodes(y: torch.Tensor) -> set[str]:
    """Names of the nodes of autograd behind a tensor."""
    found, todo = set(), [y.grad_fn]
    while todo:
        node = todo.pop()
        found.add(node.name())
        todo += [other for other, _ in node.next_functions if other is not None]
    return found


@pytest.fixture(autouse=True)
def _onednn():
    if not has_onednn(torch.zeros(1)):
        pytest.skip("this PyTorch has no oneDNN")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("way", [ONEDNN, TURNED, Ways("onednn", "turned", "plain")])
def test_values_and_gradients_are_those_of_a_sequential(way, function):
    dense, sequential = layers(way, function)
    x = x_of()
    y, expected = dense(x), sequential(x)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    wanted = [x, *dense.parameters()]
    g = torch.linspace(-1, 1, y.numel()).view_as(y)
    for found, gradient in zip(
        torch.autograd.grad(y, wanted, g), torch.autograd.grad(expected, wanted, g), strict=True
    ):
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-5)


def test_onednn_is_one_node_of_autograd():
    assert "_LayersBackward" in nodes(layers(ONEDNN)[0](x_of()))


def test_values_without_gradient_are_the_same_as_with_it():
    dense, _ = layers(ONEDNN)
    with torch.no_grad():
        without = dense(x_of())
    assert torch.equal(without, dense(x_of()))


def test_frozen_parameters_and_inputs_get_no_gradient():
    dense, sequential = layers(ONEDNN)
    dense[0].weight.requires_grad_(False)
    x = x_of().detach()
    dense(x).square().sum().backward()
    assert dense[0].weight.grad is None
    expected = torch.autograd.grad(sequential(x).square().sum(), dense[0].bias)[0]
    torch.testing.assert_close(dense[0].bias.grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", [ONEDNN, TURNED])
def test_second_derivatives_are_those_of_a_sequential(way):
    dense, sequential = layers(way)
    x = x_of()

    def second(network):
        (gradient,) = torch.autograd.grad(network(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), [x, *dense.parameters()], allow_unused=True)

    for found, expected in zip(second(dense), second(sequential), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("way", [ONEDNN, TURNED])
def test_jacobians_of_single_states_are_those_of_a_sequential(way):
    dense, sequential = layers(way)
    x = x_of().detach()
    parameters = {name: p.detach() for name, p in dense.named_parameters()}

    def jacobian(network):
        return vmap(jacrev(lambda p, row: functional_call(network, p, (row[None],))[0]), in_dims=(None, 0))(
            parameters, x
        )

    dense.ways = {1: [way] * 3}  # inside, each state is a row
    for name, found in jacobian(dense).items():
        torch.testing.assert_close(found, jacobian(sequential)[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transform", [torch.func.jvp, torch.autograd.functional.jvp])
def test_directional_derivatives_are_those_of_a_sequential(transform):
    dense, sequential = layers(ONEDNN)
    x = x_of().detach()
    found, expected = (transform(network, (x,), (torch.ones_like(x),))[1] for network in (dense, sequential))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_forward_mode_derivatives_are_those_of_a_sequential():
    from torch.autograd import forward_ad

    dense, sequential = layers(ONEDNN)
    x = x_of().detach()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        found, expected = (forward_ad.unpack_dual(network(dual)).tangent for network in (dense, sequential))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("way", [ONEDNN, TURNED])
def test_a_compiled_network_gives_the_same(way):
    dense, sequential = layers(way)
    compiled = torch.compile(dense, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x_of()), sequential(x_of()))


def test_float64_is_that_of_a_sequential_to_the_bit():
    dense, sequential = layers(ONEDNN, dtype=torch.float64)
    assert torch.equal(dense(x_of(torch.float64)), sequential(x_of(torch.float64)))


def test_other_numbers_of_rows_are_those_of_a_sequential_to_the_bit():
    dense, sequential = layers(ONEDNN)
    assert torch.equal(dense(x_of()[:9]), sequential(x_of()[:9]))


@pytest.mark.parametrize("module", [nn.Dropout(0.1), nn.BatchNorm1d(20), Activation(F.softplus)])
def test_layers_with_something_in_between_are_a_sequential(module):
    dense = Dense(nn.Linear(3, 20), module, nn.Linear(20, 2))
    dense.ways = {ROWS: [ONEDNN] * 2}
    assert not dense.ways
    assert dense.fastest(5000, 2) == []


def test_a_thin_layer_is_turned_and_a_small_one_is_not():
    dense = Dense(nn.Linear(3, 64), Activation(F.relu), nn.Linear(64, 1)).double()  # float64: nothing is timed
    assert dense.fastest(500, 2) == [TURNED, Ways()]
    assert dense.fastest(100, 2) == []
    assert dense.fastest(500, 0) == []  # no gradients
