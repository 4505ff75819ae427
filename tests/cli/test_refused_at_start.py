"""What is refused at the start says what, where, what was expected and how to mend it; what stops a run later loses nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import deqn
from deqn.configuration.compose import compose
from deqn.disk.checkpoint import Checkpoints, not_finite
from deqn.errors import TrainingError
from tests.conftest import TINY, assert_same, contents, own_model, shipped

EULER = 'return {"euler": 1 - Parameters.beta * E_t(lambda s, p: Definitions.R(s, p) * C / Definitions.C(s, p))}'


def changed(file: str, old: str, new: str) -> dict[str, str]:
    """A file of brock_mirman with another text."""
    text = shipped("brock_mirman", file)
    assert old in text
    return {file: f"import torch\nimport PolicyState\nimport State\n{text.replace(old, new)}"}


STATE_DEPENDENT = """fixed = shock_probs


def shock_probs(state, policy_state):
    return torch.exp(State.z(state))[..., None] * fixed


def next_state"""
# files, what is typed -> what, where, what was expected, how to mend it
REFUSED = {
    "a residual that a policy enters with weight zero": (
        changed("Equations", EULER, 'return {"euler": 1 + 0 * PolicyState.s(policy_state)}'), [],
        ["equation 'euler' is ", "whatever the policies are: it determines nothing"],
    ),
    "one residual of two that depends on states only": (
        changed("Equations", EULER, EULER[:-1] + ', "market": State.z(state)}'), [],
        ["equations() returned 'market', which does not depend on any policy", "Is there a .detach()"],
    ),
    "a residual whose policies are all detached": (
        changed("Equations", "* C / Definitions.C(s, p))}", "* C / Definitions.C(s, p)).detach()}"), [],
        ["equations() returned 'euler', which does not depend on any policy", "Is there a .detach()"],
    ),
    "a policy that an equation lost": (
        changed("Equations", "    E_t = ", "    policy_state = policy_state.detach()\n    E_t = "), [],
        ["no equation depends on policy 's'", "remove a .detach() on the way"],
    ),
    "probabilities that do not sum to one": (
        changed("Dynamics", "def next_state", "shock_probs = 0.7 * shock_probs\n\n\ndef next_state"), [],
        ["mine/Dynamics.py: shock_probs sums to 0.7, not 1", "Divide it by its sum"],
    ),
    "probabilities of a state that do not sum to one": (
        changed("Dynamics", "def next_state", STATE_DEPENDENT), [],
        ["mine/Dynamics.py: shock_probs sums to", "not 1", "Divide it by its sum"],
    ),
    "a minibatch larger than the data": (
        {}, ["run.N_minibatch_size=65"],
        ["run.N_minibatch_size = 65", "N_sim_batch 16 x N_episode_length 4 = 64 states", "Make it smaller"],
    ),
    "a lower bound above the upper": (
        {}, ["variables.policies.0.bounds.lower=0.995"],
        ["variables.policies[0] 's': bounds.lower = 0.995 is not below bounds.upper = 0.99", "Swap or change them"],
    ),
    "a lower bound above the upper of a state": (
        {}, ["++variables.states.0.bounds={lower: 2.0, upper: 1.0}"],
        ["variables.states[0] 'K': bounds.lower = 2.0 is not below bounds.upper = 1.0", "Swap or change them"],
    ),
    "a residual with a column": (
        changed("Equations", "* C / Definitions.C(s, p))}", "* C / Definitions.C(s, p))[:, None]}"), [],
        ["equations() returned 'euler' with shape [7, 1], expected [7] for 7 states", "x[..., 0]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "typed", "fragments"), REFUSED.values(), ids=REFUSED.keys())
def test_one_message_tells_how_to_mend_it_and_no_folder_is_left(answer, tmp_path, files, typed, fragments):
    models = own_model(tmp_path / "models", **files)
    before = contents(tmp_path)
    result = answer(*TINY, "run.N_episodes=1", "MODEL_NAME=mine", f"MODELS_DIR={models}", "hydra.run.dir=run", *typed)
    assert result.code == 2, result.out + result.err
    assert re.match(r"(Model|Config)Error: 1 problem in ", result.err), result.err
    for fragment in fragments:
        assert fragment in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert contents(tmp_path) == before


# -- numbers that are not finite --------------------------------------------------------------------------------------

LATER = """

calls = 0
there = equations


def equations(state, policy_state):
    global calls
    calls += 1
    residuals = there(state, policy_state)
    bad = (torch.arange(len(state)) == 5) | (torch.arange(len(state)) == 9)
    s = PolicyState.s(policy_state)
    return {"first": residuals["euler"] - 0.01, "euler": CHANGE} if calls > 30 else {"first": residuals["euler"], **residuals}
"""
SHOCK = """
    global calls
    calls += len(prev_state) == 16  # of the training, not of what tries the model
    if calls > 10:
        shock = torch.where(torch.arange(len(prev_state)) == 3, torch.inf, shock)
    return next_state(prev_state, policy_state, shock)
"""
PLACES = {
    "NaN in a residual": (
        "Equations", 'torch.where(bad, torch.nan, residuals["euler"])', "equation 'euler': 2 of 16 states, first at K="
    ),
    "infinity in a residual": (
        "Equations", 'torch.where(bad, -torch.inf, residuals["euler"])', "equation 'euler': 2 of 16 states, first at K="
    ),
    "NaN in a gradient": (
        "Equations", 'residuals["euler"] + 0 * torch.where(bad, s - s.detach(), 1.0).sqrt()',
        "gradient of equation 'euler', whose residual is finite: 2 of 16 states, first at K=",
    ),
    "infinity in a gradient": (
        "Equations", 'residuals["euler"] + torch.where(bad, s - s.detach(), 1.0).sqrt()',
        "gradient of equation 'euler', whose residual is finite: 2 of 16 states, first at K=",
    ),
    "a simulated state": ("Dynamics", "", "simulated states: 1 of 16 states, first at K="),
}  # fmt: skip


def later(tmp_path: Path, file: str, change: str) -> Path:
    """A MODELS_DIR with a model that goes wrong after some steps."""
    text = f"import torch\n\nimport PolicyState\n{shipped('brock_mirman', file)}"
    if file == "Equations":
        return own_model(tmp_path / "models", Equations=text + LATER.replace("CHANGE", change))
    text = text.replace("def next_state", "calls = 0\n\n\ndef next_state", 1)
    random_step, last_line = "stddev=Parameters.sigma)\n", "    return next_state(prev_state, policy_state, shock)\n"
    assert random_step + last_line in text
    return own_model(
        tmp_path / "models", Dynamics=text.replace(random_step + last_line, random_step + SHOCK.lstrip("\n"))
    )


@pytest.mark.parametrize(("file", "change", "words"), PLACES.values(), ids=PLACES.keys())
def test_a_number_that_is_not_finite_stops_the_run_and_only_finite_ones_are_kept(answer, tmp_path, file, change, words):
    """The kept checkpoint is that of a run which ends there; clipping must not make a finite gradient of an infinite one."""
    models = later(tmp_path, file, change)
    typed = [*TINY, "MODEL_NAME=mine", f"MODELS_DIR={models}", "optimizer.clipvalue=1e-3"]
    result = answer(*typed, "run.N_episodes=8", "hydra.run.dir=run")
    assert result.code == 3, result.out + result.err
    assert result.err.count("Error: ") == 1
    assert "Traceback" not in result.err
    assert re.search(rf"{re.escape(words)}[-\d.naif]+, z=[-\d.naif]+", result.err), result.err
    checkpoints = Checkpoints(tmp_path / "run")
    names = checkpoints.names()
    assert f"Kept {names[-1]}." in result.err
    assert names == [f"ckpt-{i}" for i in range(1, len(names) + 1)]
    payloads = [checkpoints.load(name)[0] for name in names]
    assert [not_finite(payload) for payload in payloads] == [""] * len(names)
    assert answer(*typed, f"run.N_episodes={len(names)}", "hydra.run.dir=short").code == 0
    before = Checkpoints(tmp_path / "short").load("LATEST")[0]
    for part in ("policy", "optimizer", "starting_state", "rng", "episode", "step"):
        assert_same(payloads[-1][part], before[part])


@pytest.mark.parametrize("clip", ["null", "1e-3"])
@pytest.mark.parametrize("weight", [0.0, 1.0], ids=["NaN", "infinity"])
def test_a_gradient_that_is_not_finite_moves_no_parameter(weight, clip):
    model = deqn.Model(compose([*TINY, f"optimizer.clipvalue={clip}"]).config)
    there = model._equations
    model._equations = lambda s, p: {"euler": there(s, p)["euler"] + weight * (p - p.detach()).sqrt().sum(-1)}
    trainer = deqn.Trainer(model)
    before = trainer.state.payload()
    with pytest.raises(TrainingError, match="gradient"):
        trainer.step(model.initial_states(16))
    after = trainer.state.payload()
    for part in ("policy", "optimizer", "schedule", "step"):
        assert_same(after[part], before[part])
    assert not bool(torch.isfinite(trainer.gradient.flat).all())
