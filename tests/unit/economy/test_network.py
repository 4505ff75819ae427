"""The network of the YAML file with Keras' numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import deqn
from deqn.configuration.net_schema import Net
from deqn.configuration.schema import PolicyVariable
from deqn.economy.bounds import bound_of
from deqn.economy.columns import lay_out
from deqn.economy.network import Normalization, PolicyNetwork, dense_network
from deqn.economy.probe import probe
from deqn.errors import ConfigError
from tests.conftest import own_model


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def net(*layers: dict, **options) -> Net:
    return Net.model_validate({"layers": [*({"hidden": layer} for layer in layers), {"output": {}}], **options})


def test_biases_start_at_zero():
    network = dense_network(net({"units": 5}), 2, 3, seed=0)
    assert all((layer.bias == 0).all() for layer in network if isinstance(layer, nn.Linear))


def test_the_seed_reaches_the_layers():
    """In the TensorFlow library it does not."""
    first, same, other = (dense_network(net({"units": 5}), 2, 1, seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_global_seed_does_not():
    torch.manual_seed(1)
    first = dense_network(net({"units": 5}), 2, 1, 0)[0].weight
    torch.manual_seed(2)
    assert torch.equal(first, dense_network(net({"units": 5}), 2, 1, 0)[0].weight)


def test_dropout_and_batch_normalisation_come_before_their_layer():
    layer = {"units": 4, "activation": "relu", "dropout_rate": 0.3, "batch_normalize": {}}
    kinds = [type(module) for module in dense_network(net({"units": 5}, layer), 2, 1, 0)]
    assert kinds[:5] == [nn.Linear, nn.Dropout, nn.BatchNorm1d, nn.Linear, kinds[4]]
    assert kinds[4].__name__ == "Activation"


def test_batch_normalisation_has_keras_momentum_and_epsilon():
    network = dense_network(net({"units": 5, "batch_normalize": {"momentum": 0.95}}), 2, 1, 0)
    layer = network[0]
    assert (layer.momentum, layer.eps) == (pytest.approx(0.05), 1e-3)
    x = 3 + 2 * torch.randn(500, 2, generator=generator())
    layer.train()(x)
    torch.testing.assert_close(
        layer.running_mean, 0.05 * x.mean(0)
    )  # moving = moving * momentum + batch * (1 - momentum)


def test_batch_normalisation_has_keras_default_momentum():
    assert dense_network(net({"units": 5, "batch_normalize": {}}), 2, 1, 0)[0].momentum == pytest.approx(0.01)


def test_centre_and_scale_can_be_switched_off():
    layer = dense_network(net({"units": 5, "batch_normalize": {"center": False, "scale": False}}), 2, 1, 0)[0]
    assert not layer.bias.requires_grad
    assert not layer.weight.requires_grad


def policy_network(body: nn.Module, variables: list[dict], n_states: int = 2, normalize: bool = False) -> PolicyNetwork:
    policies = [PolicyVariable.model_validate(v) for v in variables]
    return PolicyNetwork(
        body, policies, lay_out([(v.name, v.shape, bound_of(v, {})) for v in policies]), n_states, normalize
    )


def test_each_policy_has_its_own_activation():
    network = policy_network(
        nn.Identity(),
        [{"name": "a", "activation": "tf.nn.relu"}, {"name": "b"}, {"name": "c", "activation": "tanh"}],
        3,
    )
    x = torch.tensor([[-1.0, -2.0, 0.5]])
    torch.testing.assert_close(network(x), torch.tensor([[0.0, -2.0, math.tanh(0.5)]]))


def test_an_implied_activation_is_a_sigmoid_between_the_bounds():
    network = policy_network(
        nn.Identity(), [{"name": "a", "activation": "implied", "bounds": {"lower": 2, "upper": 6}}], 1
    )
    x = torch.tensor([[-100.0], [0.0], [1.0], [100.0]])
    torch.testing.assert_close(network(x), 2 + 4 * torch.sigmoid(x))
    assert network(x).flatten().tolist()[1] == 4.0


def test_an_activation_covers_every_entry_of_a_policy_with_a_shape():
    network = policy_network(nn.Identity(), [{"name": "a"}, {"name": "b", "shape": [3], "activation": "relu"}], 4)
    assert network(torch.full((1, 4), -1.0)).tolist() == [[-1, 0, 0, 0]]


def test_neighbouring_policies_with_softmax_sum_to_one_each():
    shares = [{"name": name, "shape": [3], "activation": "softmax"} for name in ("assets", "inputs")]
    sums = policy_network(nn.Identity(), shares)(torch.randn(5, 6)).unflatten(-1, (2, 3)).sum(-1)
    torch.testing.assert_close(sums, torch.ones(5, 2))


def test_softmax_is_over_the_last_axis_of_a_policys_shape():
    shares = {"name": "shares", "shape": [2, 3], "activation": "softmax"}
    network, x = policy_network(nn.Identity(), [shares, {"name": "c"}]), torch.randn(5, 7)
    torch.testing.assert_close(network(x)[:, :6].unflatten(-1, (2, 3)), x[:, :6].unflatten(-1, (2, 3)).softmax(-1))
    torch.testing.assert_close(network(x)[:, 6], x[:, 6])


def test_neighbouring_policies_with_an_elementwise_activation_are_one_piece():
    policies = [{"name": name, "activation": "softplus"} for name in "abc"]
    assert len(policy_network(nn.Identity(), policies).pieces) == 1


def test_any_leading_dimensions_are_kept():
    network = policy_network(nn.Linear(2, 1), [{"name": "a"}])
    x = torch.randn(3, 4, 2)
    assert network(x).shape == (3, 4, 1)
    torch.testing.assert_close(network(x)[1], network(x[1]))


def test_normalisation_gives_mean_zero_and_standard_deviation_one():
    layer = Normalization(2)
    x = torch.tensor([100.0, 0.01]) + torch.tensor([5.0, 0.001]) * torch.randn(4000, 2)
    layer.fit(x)
    torch.testing.assert_close(layer(x).mean(0), torch.zeros(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer(x).std(0), torch.ones(2), atol=1e-3, rtol=0)


def test_normalisation_only_shifts_a_constant_state():
    layer = Normalization(1)
    layer.fit(torch.full((10, 1), 33.0))
    assert layer(torch.tensor([[33.0], [35.0]])).flatten().tolist() == [0.0, 2.0]


def test_normalisation_is_part_of_the_checkpoint():
    assert {"normalization.shift", "normalization.scale"} <= set(deqn.load_model("brock_mirman").network.state_dict())


def test_it_is_fitted_without_moving_the_generator():
    model = deqn.load_model("brock_mirman")
    before = model.rng.get_state()
    model.fit_normalization()
    assert torch.equal(model.rng.get_state(), before)
    states = model.initial_states(4000)
    torch.testing.assert_close(model.network.normalization(states).mean(0), torch.zeros(2), atol=0.08, rtol=0)


NET = """
import Parameters
import torch


def define_net(net_config, model):
    return torch.nn.Linear(model.n_states, model.n_policies, bias=bool(net_config.options["bias"]))
"""


@pytest.fixture
def with_own_net(tmp_path):
    models = own_model(tmp_path, Net=NET)
    return lambda *o: deqn.load_model(
        "brock_mirman", ["MODEL_NAME=mine", f"MODELS_DIR={models}", "net.options={bias: false}", *o]
    )


def test_a_models_own_network_replaces_the_layers(with_own_net):
    model = with_own_net()
    assert [tuple(p.shape) for p in model.network.parameters()] == [(1, 2)]
    probe(model)


def test_a_models_own_network_still_has_the_activations_of_the_policies(with_own_net):
    policies = with_own_net().policy(100 * torch.randn(200, 2))
    assert policies.min() >= 0.01
    assert policies.max() <= 0.99


def test_the_seed_reaches_a_models_own_network(with_own_net):
    first, same, other = (next(with_own_net(f"seed={s}").network.parameters()) for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_the_layers_are_drawn_on_the_cpu_whatever_the_device_of_the_model():
    net = Net.model_validate({"layers": [{"hidden": {"units": 3, "activation": "relu"}}, {"output": {}}]})
    with torch.device("meta"):
        elsewhere = dense_network(net, 2, 1, seed=1)
    here = dense_network(net, 2, 1, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(elsewhere.parameters(), here.parameters(), strict=True))


def test_a_skipped_layer_adds_its_input():
    skipping = [{"hidden": {"units": 5, "activation": "tanh"}}, {"hidden": {"units": 5, "activation": "tanh", "skip": True}},
                {"output": {}}]  # fmt: skip
    plain = [skipping[0], {"hidden": {"units": 5, "activation": "tanh"}}, {"output": {}}]
    with_skip, without = (
        dense_network(Net.model_validate({"layers": layers}), 3, 2, 0) for layers in (skipping, plain)
    )
    x = torch.randn(7, 3)
    modules = list(without)
    first = modules[1](modules[0](x))
    expected = modules[4](first + modules[3](modules[2](first)))
    torch.testing.assert_close(with_skip(x), expected)


def test_a_skipped_layer_of_another_width_is_refused():
    layers = [{"hidden": {"units": 5, "skip": True}}, {"output": {}}]
    with pytest.raises(
        ConfigError, match=r"net.layers\[0\].hidden.skip: the layer has 5 units, and 3 numbers enter it"
    ):
        dense_network(Net.model_validate({"layers": layers}), 3, 2, 0)


def test_a_network_sees_only_its_inputs():
    model = deqn.load_model("brock_mirman", ["net.inputs=[z]"])
    states = model.initial_states(5).requires_grad_()
    (slope,) = torch.autograd.grad(model.policy(states).sum(), states)
    assert slope[:, 0].tolist() == [0.0] * 5
    assert bool((slope[:, 1] != 0).all())


def test_an_input_that_is_no_state_is_refused():
    with pytest.raises(ConfigError, match=r"net.inputs: there is no state 'k'. Did you mean K"):
        deqn.load_model("brock_mirman", ["net.inputs=[k]"])
