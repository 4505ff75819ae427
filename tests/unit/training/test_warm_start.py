"""deqn/training/warm_start.py: what the network is fitted to before the first step."""

from __future__ import annotations

import pytest
import torch

import deqn
from deqn.disk.run_folder import RunFolder
from deqn.economy.linear import linear_solution
from deqn.training import warm_start as module
from deqn.training.warm_start import fit_policy, warm_start
from tests.conftest import TINY, own_model, shipped, train

START = [*TINY[1:], "run.keras_precision=float64"]


def model(*overrides: str, kind: str = "steady_state") -> deqn.Model:
    return deqn.load_model("brock_mirman", [*START, f"net.warm_start={kind}", *overrides], check=False)


def mine(tmp_path, body: str, *overrides: str) -> deqn.Model:
    """brock_mirman with a guess."""
    rule = f"import torch\nimport State\n\n\ndef guess(state):\n    return {{'s': {body}}}\n"
    return model(
        f"MODELS_DIR={own_model(tmp_path / 'models', Guess=rule)}", "MODEL_NAME=mine", *overrides, kind="guess"
    )


def test_a_warm_start_begins_at_the_policy_of_the_steady_state():
    economy = model("constants.delta=0.1")
    assert "policy of the steady state" in warm_start(economy)
    K = ((1 / 0.96 - 1 + 0.1) / 0.36) ** (1 / (0.36 - 1))
    savings = economy.PolicyState.s(economy.policy(economy.initial_states(100)))
    torch.testing.assert_close(savings, torch.full_like(savings, 0.1 * K**0.64), rtol=2e-3, atol=0)


def test_a_warm_start_begins_at_the_guess(tmp_path):
    economy = mine(tmp_path, "0.3 + 0.1 * torch.tanh(State.z(state))")
    assert "begins at guess(state)" in warm_start(economy)
    states = economy.initial_states(200)
    expected = 0.3 + 0.1 * torch.tanh(economy.State.z(states))
    torch.testing.assert_close(economy.PolicyState.s(economy.policy(states)), expected, rtol=0, atol=2e-3)


def test_a_warm_start_begins_at_the_linear_solution():
    economy = model("constants.delta=0.1", kind="linear")
    assert "begins at the linear solution" in warm_start(economy)
    found = linear_solution(economy)
    near = found.state * torch.linspace(0.8, 1.2, 50)[:, None].double() + torch.tensor([0.0, 0.02])
    torch.testing.assert_close(economy.policy(near), found.policies(near), rtol=0, atol=2e-3)


def test_what_leaves_its_bounds_is_cut_and_said(tmp_path):
    economy = mine(tmp_path, "1.5 + 0 * State.K(state)")
    assert warm_start(economy).endswith("The rule is cut to the bounds of s in 100 % of them.")
    savings = economy.policy(economy.initial_states(50)).detach()
    assert float(savings.min()) > 0.98
    assert float(savings.max()) < 0.99


def test_states_where_the_guess_is_not_finite_later_are_left_out(tmp_path):
    economy = mine(tmp_path, "torch.where(State.K(state) > 0.05, 0.02, torch.nan)")
    line = warm_start(economy)
    assert 256 <= int(line.split(" in ")[1].split()[0]) < 512
    assert bool(torch.isfinite(economy.policy(economy.initial_states(20))).all())


def test_the_states_to_fit_are_those_where_the_rule_leads():
    """From half the steady state's capital and more, a tenth of output saved leads to less."""
    economy = model()
    states = economy.initial_states(100)
    rule = lambda x: torch.full_like(x[:, :1], 0.1)  # noqa: E731
    reached = module._where_it_leads(economy, rule, states, None)
    assert len(reached) == 256
    assert float(reached[:, 0].median()) < float(states[:, 0].min())


@pytest.mark.parametrize(("work", "within"), [(module._WORK, 1e-3), (0, 1e-2)])
def test_a_network_is_fitted_to_a_rule_by_either_method(monkeypatch, work, within):
    monkeypatch.setattr(module, "_WORK", work)
    economy = model("net.layers.0.hidden.units=16")
    states = economy.initial_states(200)
    rule = 0.3 + 0.1 * torch.tanh(economy.State.z(states))[:, None]
    assert fit_policy(economy, states, rule, steps=60) < within
    assert all(p.grad is None for p in economy.network.parameters())


def other_equations(tmp_path) -> list[str]:
    """Of a model that has no steady state: two residuals that cannot both be zero."""
    equations = shipped("brock_mirman", "Equations").replace(
        "C(s, p))}", "C(s, p)), 'other': 1 + PolicyState.s(policy_state)}"
    )
    folder = own_model(tmp_path, Equations=equations.replace("import State", "import PolicyState\nimport State"))
    return [f"MODELS_DIR={folder}", "MODEL_NAME=mine"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("steady_state", "no steady state was found.*net.warm_start=none"),
        ("linear", "there is no linear solution: no steady state was found.*net.warm_start=none"),
        ("guess", r"mine/Guess.py is missing. It needs guess\(state\).*net.warm_start=none"),
    ],
)
def test_without_what_it_needs_it_says_how_to_start(tmp_path, kind, words):
    with pytest.raises(deqn.ConfigError, match=words):
        deqn.Trainer(model(*other_equations(tmp_path), kind=kind)).fit(quiet=True)


def test_a_guess_that_is_not_finite_in_few_states_is_an_error(tmp_path):
    economy = mine(tmp_path, "torch.where(State.z(state) > 0.15, torch.nan, 0.3)")
    with pytest.raises(deqn.ModelError, match=r"not finite in \d+ of 256 initial states, first at K="):
        warm_start(economy)


@pytest.mark.parametrize("kind", ["guess", "linear"])
def test_a_run_that_was_resumed_ends_with_the_same_numbers(tmp_path, kind):
    overrides = [f"net.warm_start={kind}", "constants.delta=0.1"]
    whole = train(tmp_path / "whole", *overrides, "run.N_episodes=4")
    train(tmp_path / "parts", *overrides, "run.N_episodes=2")
    parts = train(tmp_path / "parts", *overrides, "run.N_episodes=4", starting_point="LATEST")
    for one, other in zip(whole.model.network.parameters(), parts.model.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_begins_as_the_network_of_another_run(tmp_path):
    first = train(tmp_path / "first", "run.N_episodes=2").model.network
    overrides = ["seed=5", "net.warm_start=run", f"net.warm_start_from={tmp_path / 'first'}"]
    economy = deqn.load_model("brock_mirman", [*TINY[1:], *overrides])
    assert not torch.equal(next(economy.network.parameters()), next(first.parameters()))
    assert "begins as that of ckpt-2" in warm_start(economy)
    for name, value in first.state_dict().items():
        torch.testing.assert_close(economy.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_run_with_another_network_or_without_a_checkpoint_is_no_warm_start(tmp_path):
    train(tmp_path / "first", "run.N_episodes=1")
    start = ["net.warm_start=run", f"net.warm_start_from={tmp_path / 'first'}"]
    with pytest.raises(deqn.ConfigError, match=r"other parameters: .* is \[8, 2\] there, \[9, 2\] here"):
        train(None, *start, "net.layers.0.hidden.units=9")
    with pytest.raises(deqn.ConfigError, match="no checkpoint that can be read"):
        train(None, start[0], f"net.warm_start_from={tmp_path}")


@pytest.mark.parametrize("override", ["net.warm_start=run", "net.warm_start_from=somewhere"])
def test_the_folder_and_the_kind_of_start_are_given_together(override):
    with pytest.raises(deqn.ConfigError, match=r"give both net\.warm_start=run and net\.warm_start_from"):
        deqn.load_model("brock_mirman", [override])


def test_irbc_with_more_countries_begins_as_the_network_of_two(tmp_path):
    """Whose parameters do not depend on how many there are."""
    few = ["run.N_sim_batch=2", "run.N_minibatch_size=20", "run.N_episodes=1"]
    small = deqn.Trainer(deqn.load_model("irbc", few), RunFolder(tmp_path / "two"))
    small.fit(quiet=True)
    start = ["net.warm_start=run", f"net.warm_start_from={tmp_path / 'two'}"]
    taken, given = (deqn.load_model("irbc", ["constants.N=5", *more]) for more in (start, []))
    warm_start(taken)
    given.network.load_state_dict(small.model.network.state_dict())
    states = taken.initial_states(10)
    assert torch.equal(taken.policy(states), given.policy(states))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_policy_that_is_the_same_everywhere_is_fitted_exactly(precision):
    """The savings rate of full depreciation is that of the steady state, in every state."""
    economy = deqn.load_model("brock_mirman", ["net.warm_start=steady_state", f"run.keras_precision={precision}"])
    warm_start(economy)
    states = 3 * economy.initial_states(100)
    error = (economy.PolicyState.s(economy.policy(states)) - 0.36 * 0.96).abs().max()
    assert error < 10 * torch.finfo(economy.dtype).eps
