"""Dense layers in other ways: the same numbers and gradients but for rounding, and a Sequential wherever they cannot be taken."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap
from torch.nn import functional as F

from deqn.economy.dense import Dense
from deqn.economy.network import Activation
from deqn.numerics.products import has_products, register_onednn

ROWS = 1300  # 1300 x 20 is enough for the thin layer, 1300 x 40 for the wide one
FUNCTIONS = [F.relu, torch.tanh, F.sigmoid, F.silu, F.gelu]
WAYS = ["turned", "onednn"]


def layers(products: str, function=F.silu, dtype=torch.float32) -> tuple[Dense, nn.Sequential]:
    """A thin, a wide and a small layer, and a Sequential of the same modules."""
    torch.manual_seed(0)
    modules = [nn.Linear(3, 20), Activation(function), nn.Linear(20, 20), Activation(function), nn.Linear(20, 2)]
    dense = Dense(*modules).to(dtype)
    dense.products = products
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
    if not has_products("onednn", torch.float32, torch.device("cpu")):
        pytest.skip("this PyTorch has no oneDNN")


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("products", WAYS)
def test_values_and_gradients_are_those_of_a_sequential(products, function):
    dense, sequential = layers(products, function)
    x = x_of()
    y, expected = dense(x), sequential(x)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
    wanted = [x, *dense.parameters()]
    g = torch.linspace(-1, 1, y.numel()).view_as(y) / ROWS
    for found, gradient in zip(
        torch.autograd.grad(y, wanted, g), torch.autograd.grad(expected, wanted, g), strict=True
    ):
        torch.testing.assert_close(found, gradient, rtol=1e-4, atol=1e-7)


def test_onednn_is_one_node_of_autograd():
    assert "_LayersBackward" in nodes(layers("onednn")[0](x_of()))


def test_values_without_gradient_are_the_same_as_with_it():
    dense, _ = layers("onednn")
    with torch.no_grad():
        without = dense(x_of())
    assert torch.equal(without, dense(x_of()))


def test_frozen_parameters_and_inputs_get_no_gradient():
    dense, sequential = layers("onednn")
    dense[0].weight.requires_grad_(False)
    x = x_of().detach()
    dense(x).square().sum().backward()
    assert dense[0].weight.grad is None
    expected = torch.autograd.grad(sequential(x).square().sum(), dense[0].bias)[0]
    torch.testing.assert_close(dense[0].bias.grad, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("products", WAYS)
def test_second_derivatives_are_those_of_a_sequential(products):
    dense, sequential = layers(products)
    x = x_of()

    def second(network):
        (gradient,) = torch.autograd.grad(network(x).square().sum(), x, create_graph=True)
        return torch.autograd.grad(gradient.square().sum(), [x, *dense.parameters()], allow_unused=True)

    for found, expected in zip(second(dense), second(sequential), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("products", WAYS)
def test_jacobians_of_single_states_are_those_of_a_sequential(products, monkeypatch):
    monkeypatch.setattr("deqn.economy.dense.is_thin", lambda *size: True)  # inside, each state is a row
    monkeypatch.setattr("deqn.economy.dense.is_wide", lambda *size: True)
    dense, sequential = layers(products)
    x = x_of().detach()[:5]
    parameters = {name: p.detach() for name, p in dense.named_parameters()}

    def jacobian(network):
        return vmap(jacrev(lambda p, row: functional_call(network, p, (row[None],))[0]), in_dims=(None, 0))(
            parameters, x
        )

    for name, found in jacobian(dense).items():
        torch.testing.assert_close(found, jacobian(sequential)[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transform", [torch.func.jvp, torch.autograd.functional.jvp])
def test_directional_derivatives_are_those_of_a_sequential(transform):
    dense, sequential = layers("onednn")
    x = x_of().detach()
    found, expected = (transform(network, (x,), (torch.ones_like(x),))[1] for network in (dense, sequential))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_forward_mode_derivatives_are_those_of_a_sequential():
    from torch.autograd import forward_ad

    dense, sequential = layers("onednn")
    x = x_of().detach()
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.ones_like(x))
        found, expected = (forward_ad.unpack_dual(network(dual)).tangent for network in (dense, sequential))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("products", WAYS)
def test_a_compiled_network_has_the_same_gradients(products):
    register_onednn()
    dense, sequential = layers(products, torch.tanh)
    compiled = torch.compile(dense, fullgraph=True, backend="aot_eager")

    def gradients(network):
        return torch.autograd.grad(network(x_of()).square().mean(), [*dense.parameters()])

    for found, expected in zip(gradients(compiled), gradients(sequential), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_torch_compile_takes_onednn():
    register_onednn()
    dense, _ = layers("onednn")
    graphs = []

    def backend(graph, inputs):
        graphs.append(str(graph.print_readable(print_output=False, include_device=False)))
        return graph.forward

    torch.compile(dense, fullgraph=True, backend=backend)(x_of().detach())
    assert "deqn.onednn" in "".join(graphs)


def test_plain_products_have_the_bits_of_a_sequential():
    dense, sequential = layers("plain", F.relu)
    x = x_of()
    wanted = [x, *dense.parameters()]
    assert torch.equal(dense(x), sequential(x))
    found, expected = (torch.autograd.grad(network(x).square().sum(), wanted) for network in (dense, sequential))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_inputs_are_not_overwritten():
    x = x_of().detach()
    before = x.clone()
    Dense(Activation(F.relu), nn.Linear(3, 20), Activation(F.relu))(x)
    assert torch.equal(x, before)


def test_inputs_that_are_not_contiguous_give_the_same():
    dense, sequential = layers("onednn")
    x = x_of().detach().t().contiguous().t()
    assert not x.is_contiguous()
    torch.testing.assert_close(dense(x), sequential(x), rtol=1e-5, atol=1e-5)


def test_float64_is_never_taken_by_onednn():
    dense, _ = layers("onednn", dtype=torch.float64)
    assert "_LayersBackward" not in nodes(dense(x_of(torch.float64)))


@pytest.mark.parametrize("products", WAYS)
@pytest.mark.parametrize("rows", [1, 9])
def test_few_rows_are_those_of_a_sequential_to_the_bit(products, rows):
    dense, sequential = layers(products)
    assert torch.equal(dense(x_of()[:rows]), sequential(x_of()[:rows]))


@pytest.mark.parametrize("module", [nn.Dropout(0.1), nn.BatchNorm1d(20), Activation(F.softplus)])
def test_layers_with_something_in_between_are_never_taken_by_onednn(module):
    dense = Dense(nn.Linear(3, 20), module, nn.Linear(20, 20))
    dense.products = "onednn"
    assert "_LayersBackward" not in nodes(dense(x_of()))


def test_names_of_parameters_are_those_of_a_sequential():
    dense, sequential = layers("onednn")
    assert [*dense.state_dict()] == [*sequential.state_dict()]
