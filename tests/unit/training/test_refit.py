"""Logarithms of inputs, and inputs that are normalised anew in training."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.errors import ConfigError, ModelError
from deqn.processes.comm import Comm
from deqn.training import loss
from deqn.training.refit import refit_inputs
from deqn.training.trainer import Trainer
from tests.conftest import TINY, assert_same, own_model, train

NORMAL = "net.normalize_inputs=true"
LOGS = "net.log_inputs=[K]"
REFIT = "net.refit_inputs_at=[2,5]"
AWAY = torch.tensor([[3.0, 0.4]])  # mean of states that are far from the initial ones


def trainer(*overrides: str) -> Trainer:
    return Trainer(deqn.Model(compose([*TINY, NORMAL, *overrides]).config))


def elsewhere(n: int = 500) -> torch.Tensor:
    return AWAY + torch.tensor([0.5, 0.02]) * torch.randn(n, 2, generator=torch.Generator().manual_seed(0))


# -- logarithms -------------------------------------------------------------------------------------------------------


def test_the_network_sees_the_logarithm_of_the_states_that_are_named():
    logs, plain = trainer(LOGS).model, trainer().model
    states = logs.initial_states(300)
    plain.network.load_state_dict(logs.network.state_dict())
    inputs = torch.stack([states[:, 0].log(), states[:, 1]], -1)
    torch.testing.assert_close(logs.policy(states), plain.policy(inputs))
    seen = logs.network.normalization(inputs)
    torch.testing.assert_close(seen.mean(0), torch.zeros(2), atol=0.2, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(2), atol=0.2, rtol=0)


def test_below_its_bound_a_state_has_the_logarithm_of_the_bound():
    model = trainer(LOGS, "variables.states.0.bounds={lower: 0.05}").model
    low = torch.tensor([[-1.0, 0.1], [0.05, 0.1]])
    first, second = model.policy(low)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["net.log_inputs=[k]"], ConfigError, r"net.log_inputs: there is no state 'k'. Did you mean K?"),
        (["net.log_inputs=[z]"], ModelError, r"net.log_inputs: state 'z' is -0\.\d+ in an initial state"),
        (["net.normalize_inputs=false", REFIT], ConfigError, "give net.normalize_inputs=true"),
        ([REFIT, "run.N_episode_length=1"], ConfigError, "give initialize_each_episode=false"),
        (
            [REFIT, "+net.layers.0.hidden.batch_normalize={momentum: 0.9}"],
            ConfigError,
            "the first layer here is BatchNorm1d",
        ),
    ],
)
def test_what_cannot_be_is_refused(overrides, error, message):
    with pytest.raises(error, match=message):
        Trainer(deqn.load_model("brock_mirman", [*TINY[1:], NORMAL, *overrides]))


# -- refit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [[], [LOGS], ["net.inputs=[z,K]"], ["net.layers.0.hidden.dropout_rate=0.2"]])
def test_policies_stay_and_inputs_have_mean_zero_and_deviation_one(overrides):
    run = trainer("run.keras_precision=float64", *overrides)
    network, states = run.model.network, elsewhere().double()
    before = run.model.policy(states)
    refit_inputs(network, run.state.optimizer, states, Comm())
    torch.testing.assert_close(run.model.policy(states), before, rtol=1e-10, atol=1e-12)
    inputs = network.normalization(states if network.logarithms is None else network.logarithms(states))
    torch.testing.assert_close(inputs.mean(0), torch.zeros(2).double(), atol=1e-10, rtol=0)
    torch.testing.assert_close(inputs.std(0, correction=0), torch.ones(2).double(), atol=1e-10, rtol=0)


def test_moments_of_the_optimizer_are_those_of_gradients_in_the_new_units():
    """Around the old mean: Adam's first step, then the refit; as the gradient of then has it in the new units."""
    run = trainer("run.keras_precision=float64")
    network, model = run.model.network, run.model
    old = network.normalization.scale.clone()
    states = model.initial_states(200)
    loss.terms(model, states).loss.backward()
    run.state.optimizer.step()
    kept = run.state.optimizer.state[network.body[0].weight]
    first, second = kept["exp_avg"].clone(), kept["exp_avg_sq"].clone()
    narrow = network.normalization.shift + 0.1 * (states - states.mean(0))
    refit_inputs(network, run.state.optimizer, narrow, Comm())
    ratio = old / network.normalization.scale
    assert (ratio > 5).all()
    torch.testing.assert_close(kept["exp_avg"], first * ratio)
    torch.testing.assert_close(kept["exp_avg_sq"], second * ratio**2)


def test_several_processes_take_the_moments_of_all_states():
    class Other(Comm):
        """Of two processes; the other has the states that are mirrored at the mean AWAY."""

        def __init__(self):
            super().__init__(size=2)
            self.sums = 0

        def sum_(self, tensor):
            self.sums += 1
            tensor.copy_(2 * AWAY[0].double() if self.sums == 1 else 2 * tensor)

    run = trainer("run.keras_precision=float64")
    states = elsewhere().double()
    refit_inputs(run.model.network, run.state.optimizer, states, Other())
    both = torch.cat([states, 2 * AWAY.double() - states])
    torch.testing.assert_close(run.model.network.normalization.shift, both.mean(0))
    torch.testing.assert_close(run.model.network.normalization.scale, both.std(0, correction=0))


def test_training_refits_at_the_episodes_that_are_named():
    def fitted(episodes: int, *overrides: str) -> torch.Tensor:
        run = trainer(f"run.N_episodes={episodes}", *overrides)
        run.fit(quiet=True)
        return run.model.network.normalization.shift.clone()

    shifts = [fitted(n, REFIT) for n in (1, 2, 4, 5)]
    assert torch.equal(shifts[0], fitted(1))
    assert torch.equal(shifts[1], shifts[2])
    assert not torch.equal(shifts[0], shifts[1])
    assert not torch.equal(shifts[2], shifts[3])


@pytest.mark.parametrize("optimizer", ["Adam", "levenberg_marquardt"])
def test_a_run_that_is_resumed_is_on_the_same_path(tmp_path, optimizer):
    more = ["optimizer=levenberg_marquardt", "optimizer.N_minibatch_size=64"] if optimizer != "Adam" else []
    settings = [NORMAL, LOGS, REFIT, "run.box_share=0.25", *more]
    whole = train(None, *settings, "run.N_episodes=6").state.payload()
    train(tmp_path, *settings, "run.N_episodes=3")
    assert_same(train(tmp_path, *settings, "run.N_episodes=6", starting_point="LATEST").state.payload(), whole)


def test_a_finished_run_is_read_back_with_its_normalisation(tmp_path):
    kept = train(tmp_path, NORMAL, LOGS, REFIT, "run.N_episodes=3").model
    states = kept.initial_states(50)
    other = deqn.Model(kept.config)
    other.network.load_state_dict(kept.network.state_dict())
    assert torch.equal(other.policy(states), kept.policy(states))


def test_a_body_of_net_py_that_begins_with_another_layer_is_refused(tmp_path):
    body = "torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(2, 1))"
    net = f"import torch\ndef define_net(net_config, model):\n    return {body}\n"
    models = own_model(tmp_path, Net=net)
    model = deqn.load_model("brock_mirman", [f"MODELS_DIR={models}", "MODEL_NAME=mine", NORMAL, REFIT])
    with pytest.raises(ConfigError, match="the first layer here is Tanh"):
        Trainer(model)
