"""What the Krusell-Smith network sees of the distribution of wealth: net.options.aggregate_state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import deqn
from deqn.economy.network import dense_network
from deqn.economy.probe import probe
from deqn.training import loss
from deqn.training.trainer import Trainer

SMALL = ["constants.nA=40", "run.N_sim_batch=16", "run.N_episode_length=5", "run.N_minibatch_size=16"]
BEYOND_K = ["moments", "learned", "histogram"]
CHOICES = ["capital", *BEYOND_K]


def load(choice: str, *overrides: str) -> deqn.Model:
    return deqn.load_model("krusell_smith", [*SMALL, f"net.options.aggregate_state={choice}", *overrides])


def awake(model: deqn.Model) -> deqn.Model:
    """The outputs' weights, which are zero at the start, are drawn."""
    body = model.network.body
    for i, weight in enumerate((body.linear.weight, body.network[-1].weight)):
        nn.init.normal_(weight, 0, 0.3, torch.Generator().manual_seed(i))
    return model


def states_with(model: deqn.Model, distributions: torch.Tensor) -> torch.Tensor:
    states = model.initial_states(len(distributions))
    return model.State.update_dict(states, {"Z": torch.ones(len(distributions)), "distribution": distributions})


def distributions_with_one_mean(model: deqn.Model) -> torch.Tensor:
    """The stationary distribution, and one where half of everybody's wealth above one node is split in a fair lottery."""
    D = model.Parameters.D_ss
    assets = model.Parameters.a_grid
    spread = torch.stack([D, D.clone()])
    moved = 0.5 * D[:, 20]
    up = (assets[20] - assets[10]) / (assets[30] - assets[10])
    spread[1, :, 20] -= moved
    spread[1, :, 10] += (1 - up) * moved
    spread[1, :, 30] += up * moved
    return spread


class BeforeTheChoice(nn.Module):
    """The network as it was when K was all that it could see, written once more."""

    def __init__(self, model: deqn.Model) -> None:
        super().__init__()
        self.model = [model]  # not a submodule
        self.linear = nn.Linear(2, model.n_policies, bias=False)
        self.network = dense_network(model.config.net, 2, model.n_policies, model.config.seed)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.network[-1].weight)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        (model,) = self.model
        p, options = model.Parameters, model.config.net.options
        capital = states[:, 1:].unflatten(1, p.share_ss.shape).sum(-2) @ p.a_grid
        inputs = torch.stack([states[:, 0].log() / options["sd_Z"], (capital / p.K_ss).log() / options["sd_K"]], dim=-1)
        y = self.linear(inputs) + self.network(inputs)
        return p.share_ss.flatten() * torch.exp(options["output_scale"] * y)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("overrides", [(), ("run.keras_precision=float64", "constants.nE=2", "constants.amin=0.5")])
def test_every_choice_starts_at_the_stationary_policy(choice, overrides):
    model = load(choice, *overrides)
    states = model.initial_states(6)
    for _ in range(3):
        states = model.step(states)
    shares = model.PolicyState.share(model.policy(states.unflatten(0, (2, 3))))
    assert shares.dtype == model.dtype
    assert torch.equal(shares, model.Parameters.share_ss.expand(2, 3, -1, -1))


def test_capital_is_the_network_of_before_bit_for_bit():
    model = load("capital", "seed=7")
    before = BeforeTheChoice(model)
    now = model.network.body.state_dict()
    assert list(now) == list(before.state_dict())
    assert all(torch.equal(now[name], value) for name, value in before.state_dict().items())
    awake(model)
    before.load_state_dict(model.network.body.state_dict())
    states = model.initial_states(16)
    for _ in range(5):
        states = model.step(states)
    assert model.policy(states).std(0).max() > 1e-4
    assert torch.equal(model.policy(states), before(states))


def test_only_capital_is_blind_to_a_lottery_that_leaves_k_as_it_is():
    change = {}
    for choice in CHOICES:
        model = awake(load(choice, "run.keras_precision=float64"))
        shares = model.policy(states_with(model, distributions_with_one_mean(model)))
        change[choice] = (shares[1] / shares[0] - 1).abs().max().item()
    assert change["capital"] < 1e-10
    assert min(change[choice] for choice in BEYOND_K) > 1e-4


@pytest.mark.parametrize("choice", ["learned", "histogram"])
def test_these_are_averages_over_households(choice):
    """A mixture of two economies has the mixture of their numbers; the stationary one has zeros."""
    model = load(choice, "run.keras_precision=float64")
    further, D = model.network.body.further, model.Parameters.D_ss
    one, other = D.roll(1, 0), D.flip(-1)
    torch.testing.assert_close(further(0.3 * one + 0.7 * other), 0.3 * further(one) + 0.7 * further(other))
    assert further(D).abs().max() < 1e-12
    assert further(one).abs().max() > 0.1


def test_the_moments_are_those_of_households_taken_one_by_one():
    model = load("moments", "run.keras_precision=float64")
    rng = np.random.default_rng(0)
    e, a = rng.integers(0, 3, 500), rng.integers(0, 40, 500)
    D = torch.zeros(3, 40, dtype=torch.float64)
    D.index_put_((torch.as_tensor(e), torch.as_tensor(a)), torch.full((500,), 1 / 500).double(), accumulate=True)
    wealth = model.Parameters.a_grid.numpy()[a]
    K = wealth.mean()
    expected = [wealth[e == i].mean() / K for i in range(3)]
    expected += [(wealth**2).mean() / K**2, (wealth**0.5).mean() / K**0.5, (a == 0).mean()]
    found = model.linker.link("Net").wealth_moments(D[None].expand(2, -1, -1))
    torch.testing.assert_close(found, torch.tensor([expected, expected]))


def test_a_productivity_that_nobody_has_and_an_empty_limit_do_no_harm():
    for choice in CHOICES:
        model = awake(load(choice))
        D = torch.zeros(1, 3, 40)
        D[0, 1, 20] = 1
        shares = model.policy(states_with(model, D).requires_grad_())
        gradients = torch.autograd.grad(shares.log().sum(), list(model.network.parameters()))
        assert torch.isfinite(shares).all()
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("choice", BEYOND_K)
def test_the_inputs_are_of_order_one_in_the_economy(choice):
    model = load(choice)
    states, seen = model.initial_states(32), []
    for t in range(150):
        states = model.step(states)
        if t >= 100:
            seen.append(model.network.body.further(model.State.distribution(states)))
    size = torch.cat(seen).square().mean(0).sqrt()
    assert 0.1 < size.max() < 10
    assert size.median() > 0.01


def test_gradients_reach_the_network_of_the_moments():
    model = awake(load("learned", "net.options.n_moments=3", "net.options.moment_units=5"))
    function = model.network.body.further.function
    assert [tuple(p.shape) for p in function.parameters()] == [(5, 4), (5,), (3, 5)]
    states = model.step(model.step(model.initial_states(8)))
    loss.terms(model, states).loss.backward()
    assert all(p.grad.abs().max() > 0 for p in function.parameters())


@pytest.mark.parametrize("choice", CHOICES)
def test_a_short_training_reduces_the_loss(choice):
    model = load(choice, "run.N_episodes=30", "optimizer.schedule_kwargs={decay_steps: 150, warmup_steps: 10}")
    probe(model)
    states = model.initial_states(16)
    for _ in range(10):
        states = model.step(states)
    before = loss.terms(model, states).loss.item()
    trained = {name: p.detach().clone() for name, p in model.network.named_parameters()}
    Trainer(model).fit()
    assert loss.terms(model, states).loss.item() < 0.1 * before
    assert all((p != trained[name]).any() for name, p in model.network.named_parameters())


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_is_one_graph(choice):
    model = awake(load(choice))
    states = model.step(model.initial_states(4))
    torch._dynamo.reset()
    compiled = torch.compile(model.network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(states), model.policy(states))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("net.options.aggregate_state=momemts", ["'momemts'", "capital, moments, learned, histogram", "Did you mean moments?"]),
        ("net.options.aggregate_state=[capital]", ["aggregate_state = ['capital']", "expected capital"]),
        ("net.options.n_moments=0", ["net.options.n_moments = 0", "an integer above zero"]),
        ("net.options.n_moments=1.5", ["net.options.n_moments = 1.5", "an integer above zero"]),
        ("net.options.moment_units=true", ["net.options.moment_units = True", "an integer above zero"]),
        ("net.options.sd_K=-0.1", ["net.options.sd_K = -0.1", "a number above zero"]),
        ("net.options.sd_K=nan", ["net.options.sd_K = nan", "a number above zero"]),
        ("net.options.sd_Z=wide", ["net.options.sd_Z = 'wide'", "a number above zero"]),
        ("+net.options.n_moment=3", ["net.options.n_moment is not known.", "Did you mean n_moments?"]),
        ("~net.options.sd_Z", ["net.options.sd_Z is missing."]),
    ],
)  # fmt: skip
def test_options_that_cannot_be_used_are_told(override, words):
    with pytest.raises(deqn.ConfigError) as error:
        load("capital", override)
    assert all(word in str(error.value) for word in words)


def test_all_bad_options_are_told_at_once():
    with pytest.raises(deqn.ConfigError) as error:
        load("histgram", "net.options.n_moments=-1", "net.options.output_scale=0")
    assert len(error.value.problems) == 3


def test_a_run_from_before_the_choice_sees_capital():
    names = ("aggregate_state", "n_moments", "moment_units")
    model = deqn.load_model("krusell_smith", [*SMALL, *(f"~net.options.{name}" for name in names)])
    assert model.network.body.further.size == 0
