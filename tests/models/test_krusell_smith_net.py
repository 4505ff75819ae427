"""The networks of heterogeneous agents, on Krusell-Smith: net.type anchored and individual, and net.distribution.sees."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import deqn
from deqn.configuration.compose import compose
from deqn.economy.model import Model
from deqn.economy.network import dense_network
from deqn.economy.probe import probe
from deqn.economy.seen import wealth_moments
from deqn.training import loss
from deqn.training.trainer import Trainer

SMALL = ["constants.nA=40", "run.N_sim_batch=16", "run.N_episode_length=5", "run.N_minibatch_size=16"]
BEYOND_K = ["moments", "learned", "histogram"]
CHOICES = ["nothing", *BEYOND_K]


def load(choice: str, *overrides: str) -> deqn.Model:
    return deqn.load_model("krusell_smith", [*SMALL, f"net.distribution.sees={choice}", *overrides])


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
        p = model.Parameters
        capital = states[:, 1:].unflatten(1, p.share_ss.shape).sum(-2) @ p.a_grid
        inputs = torch.stack([states[:, 0].log() / 0.007, (capital / p.K_ss).log() / 0.011], dim=-1)
        y = self.linear(inputs) + self.network(inputs)
        return p.share_ss.flatten() * torch.exp(0.03 * y)


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
    model = load("nothing", "seed=7")
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
    assert change["nothing"] < 1e-10
    assert min(change[choice] for choice in BEYOND_K) > 1e-4


@pytest.mark.parametrize("choice", ["learned", "histogram"])
def test_these_are_averages_over_households(choice):
    """A mixture of two economies has the mixture of their numbers; the stationary one has zeros."""
    model = load(choice, "run.keras_precision=float64")
    further, D = model.network.body.inputs.further, model.Parameters.D_ss
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
    found = wealth_moments(D[None].expand(2, -1, -1), model.Parameters.a_grid)
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
            seen.append(model.network.body.inputs.further(model.State.distribution(states)))
    size = torch.cat(seen).square().mean(0).sqrt()
    assert 0.1 < size.max() < 10
    assert size.median() > 0.01


def test_gradients_reach_the_network_of_the_moments():
    model = awake(load("learned", "net.distribution.n_moments=3", "net.distribution.moment_units=5"))
    function = model.network.body.inputs.further.function
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


def individual(*overrides: str) -> deqn.Model:
    return load("nothing", "net.type=individual", *overrides)


def test_one_function_serves_all_nodes():
    """The number of parameters does not depend on the grid, and households with the same e and a do the same on two grids."""
    coarse, fine = (
        individual(f"constants.nA={n}", "constants.amax=100", "run.keras_precision=float64") for n in (41, 81)
    )
    for model in (coarse, fine):
        last = [layer for layer in model.network.body.functions if isinstance(layer, nn.Linear)][-1]
        nn.init.normal_(last.weight, 0, 0.3, torch.Generator().manual_seed(0))
    weights = [model.network.state_dict() for model in (coarse, fine)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    outputs = []
    for model in (coarse, fine):
        states = model.State.update(model.initial_states(1), "Z", 1.01)
        around = model.Parameters.K_ss / model.Definitions.K(states, None)  # no distance of K from its usual value
        D = model.State.distribution(states)
        assert abs(float(around) - 1) < 1e-6, "the stationary distribution has K_ss"
        outputs.append(model.network.body(states).reshape(D.shape))
    torch.testing.assert_close(outputs[0], outputs[1][..., ::2], atol=1e-6, rtol=1e-6)
    assert outputs[0].std() > 1e-3


@pytest.mark.parametrize("choice", CHOICES)
def test_the_individual_network_starts_at_the_stationary_policy_and_learns(choice):
    settings = (
        "net.type=individual",
        "run.N_episodes=30",
        "optimizer.schedule_kwargs={decay_steps: 150, warmup_steps: 10}",
    )
    model = load(choice, *settings)
    probe(model)
    states = model.step(model.initial_states(16))
    assert torch.equal(model.PolicyState.share(model.policy(states)), model.Parameters.share_ss.expand(16, -1, -1))
    before = loss.terms(model, states).loss.item()
    trained = {name: p.detach().clone() for name, p in model.network.named_parameters()}
    Trainer(model).fit()
    assert loss.terms(model, states).loss.item() < 0.3 * before
    assert all((p != trained[name]).any() for name, p in model.network.named_parameters())


def test_the_individual_network_is_one_graph():
    model = individual()
    states = model.step(model.initial_states(4))
    torch._dynamo.reset()
    compiled = torch.compile(model.network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(states), model.policy(states))


@pytest.mark.parametrize("kind", ["anchored", "individual"])
def test_other_policies_stand_beside_those_of_households(kind):
    """A price, as in an economy whose markets clear: it begins `around` its usual value, between two policies of households."""
    policies = (
        "[{name: share, shape: [3, 40], activation: relative, around: share_ss, scale: 0.03}, "
        "{name: q, around: 0.9, scale: 0.01}, {name: other, shape: [3, 40], around: 0.5}]"
    )
    settings = [*SMALL, "net.distribution.sees=learned", f"net.type={kind}", f"variables.policies={policies}"]
    model = Model(compose(["model=krusell_smith", *settings]).config)  # its equations are those of households alone
    states = model.step(model.initial_states(5))
    policy = model.policy(states)
    assert torch.equal(model.PolicyState.share(policy), model.Parameters.share_ss.expand(5, -1, -1))
    assert torch.equal(model.PolicyState.q(policy), torch.full((5,), 0.9))
    assert torch.equal(model.PolicyState.other(policy), torch.full((5, 3, 40), 0.5))
    for weight in [p for p in model.network.parameters() if not p.any()]:
        nn.init.normal_(weight, 0, 0.3, torch.Generator().manual_seed(0))
    moved = model.policy(states)
    for name in ("share", "q", "other"):
        accessor = getattr(model.PolicyState, name)
        assert (accessor(moved) != accessor(policy)).any(), name


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["net.distribution.sees=momemts"], ["net.distribution.sees", "'momemts'", "moments"]),
        (["net.distribution.n_moments=0"], ["net.distribution.n_moments"]),
        (["net.distribution.scale=-0.1", "net.distribution.sees=learned"], ["net.distribution.scale = -0.1", "above zero"]),
        (["net.aggregates.K.scale=0"], ["net.aggregates.K.scale = 0", "above zero"]),
        (["net.aggregates.K.around=K_s"], ["net.aggregates.K.around = 'K_s'", "Did you mean K_ss?"]),
        (["net.aggregates.K.around=-1"], ["net.aggregates.K.around = -1", "for its log"]),
        (["+net.aggregates.Kapital={log: true}"], ["net.aggregates.Kapital", "no state or definition"]),
        (["net.distribution.grids=[e_grid]", "net.distribution.sees=learned"], ["grids[0] = 'e_grid'", "shape [3]"]),
        (["net.distribution.grids=[]", "net.distribution.sees=learned"], ["net.distribution.grids has 0 names, expected 1"]),
        (["net.distribution.state=Z"], ["net.distribution.state = 'Z'", "histogram"]),
        (["net.distribution.state=D"], ["there is no state 'D'"]),
        (["net.distribution=null", "net.type=individual"], ["net.type = 'individual'", "net.distribution"]),
        (["net.aggregates={}"], ["net.type = 'anchored' sees nothing"]),
        (["net.type=dense"], ["net.aggregates is for net.type anchored", "net.distribution is for"]),
        (["net.normalize_inputs=true"], ["net.normalize_inputs is for net.type dense"]),
        (["variables.policies.0.around=null"], ["activation `relative` needs `around`"]),
        (["variables.policies.0.scale=0"], ["'share'.scale = 0", "above zero"]),
        (
            ["variables.policies.0.shape=[120]", "variables.policies.0.around=0.5", "net.type=individual"],
            ["no policy has the shape [3, 40]"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told(overrides, words):
    with pytest.raises(deqn.ConfigError) as error:
        load("nothing", *overrides)
    assert all(word in str(error.value) for word in words), error.value
