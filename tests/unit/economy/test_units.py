"""`around` and `scale` of a policy: network outputs in the model's units."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import deqn
from deqn.configuration.schema import PolicyVariable
from deqn.economy.bounds import bound_of
from deqn.economy.columns import lay_out
from deqn.economy.network import PolicyNetwork
from deqn.errors import ConfigError
from tests.conftest import own_model, shipped

KINDS = ["tf.nn.softplus", "exp", "sigmoid", "tanh", "implied", None, "lambda x: -tf.nn.softplus(x)"]
BOUNDS = {"lower": 0.01, "upper": 0.99}


def network(*variables: dict, **constants) -> PolicyNetwork:
    """Policies of the network's own outputs, which are its inputs; in float64."""
    policies = [PolicyVariable.model_validate({"name": f"p{i}", **v}) for i, v in enumerate(variables)]
    columns = lay_out([(v.name, v.shape, bound_of(v, constants, "variables.policies[0]")) for v in policies])
    n = columns[-1].stop
    return PolicyNetwork(nn.Identity(), policies, columns, n, False, constants=constants).double()


@pytest.mark.parametrize("activation", KINDS)
@pytest.mark.parametrize("size", [1e-5, 0.3, 0.97])
def test_output_zero_gives_the_value_around(activation, size):
    around = -size if activation and "lambda" in activation else max(size, 0.011) if activation == "implied" else size
    policy = network(
        {"activation": activation, "around": around, **({"bounds": BOUNDS} if activation == "implied" else {})}
    )
    assert float(policy(torch.zeros(1, 1).double())) == pytest.approx(around, rel=1e-9)


@pytest.mark.parametrize("activation", KINDS)
def test_scale_is_the_slope_at_the_value_around(activation):
    around = -0.3 if activation and "lambda" in activation else 0.3
    bounds = {"bounds": BOUNDS} if activation == "implied" else {}
    policy = network({"activation": activation, "around": around, "scale": 0.02, **bounds})
    x = torch.tensor([[-1e-5], [1e-5]]).double()
    low, high = policy(x).flatten().tolist()
    assert abs(high - low) / 2e-5 == pytest.approx(0.02, rel=1e-6)


def test_without_an_activation_the_policy_is_linear_in_the_output():
    policy = network({"around": 40.0, "scale": 5.0})
    assert policy(torch.tensor([[0.0], [1.0], [-2.0]]).double()).flatten().tolist() == [40, 45, 30]


def test_each_entry_of_a_policy_with_a_shape_has_its_own_value():
    policy = network({"shape": [2], "activation": "softplus", "around": [1.0, 3.0], "scale": 0.5}, {})
    torch.testing.assert_close(policy(torch.zeros(1, 3).double()), torch.tensor([[1.0, 3.0, 0.0]]).double())


def test_values_may_be_names_of_constants():
    policy = network({"shape": [2], "around": "k", "scale": "width"}, k=torch.tensor([1.0, 2.0]), width=4.0)
    assert policy(torch.ones(1, 2).double()).tolist() == [[5.0, 6.0]]


def test_a_network_without_them_has_no_such_step():
    assert network({"activation": "softplus"}).units is None


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ({"around": "kss"}, r"policies\[0\] 'p0'.around = 'kss': there is no constant of this name. Did you mean k_ss"),
        ({"around": -1.0, "activation": "softplus"}, "never gives -1"),
        ({"around": 2.0, "bounds": BOUNDS}, "beyond the policy's bounds: 2"),
        ({"around": 0.99, "activation": "implied", "bounds": BOUNDS}, "flat where it gives 0.99: take"),
        ({"around": [1.0, 2.0]}, r"has the shape \[2\], expected a number"),
        ({"shape": [3], "around": [1.0, 2.0]}, r"has the shape \[2\], expected a number or the variable's shape \[3\]"),
        ({"shape": [3], "activation": "softmax", "around": 0.3}, "as softmax does"),
        ({"scale": 0.0}, "above zero"),
        ({"scale": 1.0, "activation": "lambda x: tf.abs(x)"}, "flat there"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(variable, message):
    with pytest.raises(ConfigError, match=message):
        network(variable, k_ss=1.0)


def test_a_constant_of_calibration_may_be_meant_and_net_py_is_kept(tmp_path: Path):
    calibration = shipped("brock_mirman", "Calibration").replace('"K_ss": K_ss,', '"K_ss": K_ss, "s_ss": alpha * beta,')
    net = "import torch\ndef define_net(net_config, model):\n    return torch.nn.Linear(2, 1)\n"
    folder = own_model(tmp_path, Calibration=calibration, Net=net)
    overrides = [f"MODELS_DIR={folder}", "MODEL_NAME=mine", "+variables.policies.0.around=s_ss"]
    model = deqn.load_model("brock_mirman", overrides)
    nn.init.zeros_(model.network.body.weight)
    nn.init.zeros_(model.network.body.bias)
    expected = model.Parameters.alpha * model.Parameters.beta
    assert model.policy(model.initial_states(1)).item() == pytest.approx(expected, rel=1e-6)


def test_the_untrained_network_begins_near_the_value():
    around = ["+variables.policies.0.around=0.35", "+variables.policies.0.scale=0.01"]
    policies = deqn.load_model("brock_mirman", around).policy(deqn.load_model("brock_mirman").initial_states(500))
    assert (policies - 0.35).abs().max().item() < 0.02


@pytest.mark.parametrize(
    ("variable", "sign"),
    [
        ({"activation": "softplus"}, 1), ({"activation": "relative", "around": 2.0, "scale": 0.1}, 1),
        ({"activation": "relative", "around": -2.0, "scale": 0.1}, -1), ({"activation": "tanh"}, 0), ({}, 0),
        ({"activation": "relu"}, 0), ({"activation": "lambda x: -exp(x)"}, -1),
    ],
)  # fmt: skip
def test_it_is_known_on_which_side_of_zero_an_activation_keeps_a_policy(variable, sign):
    """At start, policies are drawn anew to see which equations react: not those that no network can give."""
    assert network(variable).signs().tolist() == [sign]
