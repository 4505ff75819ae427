"""Every model on a GPU: a real one where there is one, else one that is pretended and refuses what a GPU would refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import deqn
from deqn.analysis import figures
from deqn.analysis.heterogeneous import aggregates, households, impulse_responses, linear, report
from deqn.analysis.heterogeneous.bellman import bellman_errors
from deqn.analysis.heterogeneous.economy import Economy
from deqn.analysis.heterogeneous.path import Path
from deqn.configuration.compose import compose, write_run_configuration
from deqn.disk.run_folder import RunFolder, comparable
from deqn.economy.calibration import keep
from deqn.economy.probe import probe
from deqn.numerics.normal_equations import Alone, normal_equations
from deqn.training import loss, warm_start
from deqn.training.estimate import estimate_seconds
from deqn.training.trainer import Trainer
from tests.conftest import ROOT
from tests.pretend_cuda import pretend_cuda, waits

SIZES = ["run.N_sim_batch=8", "run.N_episode_length=4", "run.N_minibatch_size=16", "run.N_episodes=2", "device=cuda"]
SMALLER = {
    "consumption_savings": ["constants.n_u=5"],
    "analytic": ["optimizer.N_steps_per_episode=2"],
    "krusell_smith": ["constants.nA=40"],
    "krusell_smith_1998": ["constants.nA=40"],
    "krusell_smith_beta": ["constants.nA=40"],
    "two_assets": ["constants.nB=12", "constants.nA=12"],
}
MODELS = ["analytic", "bm1972", "brock_mirman", "krusell_smith"]
SETTINGS = {
    "dropout and batch normalisation": [
        "++net.layers.1.hidden.dropout_rate=0.5", "++net.layers.1.hidden.batch_normalize={momentum: 0.5}",
    ],
    "float64": ["run.keras_precision=float64"],
    "sorted minibatches": ["run.sorted_within_batch=true", "run.N_minibatch_size=4"],
    "pieces": ["run.N_states_held=16"],
    "random draws": ["run.expectation_type=pseudo_random"],
    "an optimizer that cannot skip a step": ["optimizer.optimizer=RMSprop", "optimizer.clipvalue=0.1"],
    "normalised inputs": ["net.normalize_inputs=true"],
    "a policy in its own units": ["++variables.policies.0.around=0.3", "++variables.policies.0.scale=0.1"],
    "logarithms, a refit and drawn states": [
        "net.normalize_inputs=true", "net.log_inputs=[K]", "net.refit_inputs_at=[1]", "run.box_share=0.25",
    ],
    "a bound by name": ["+constants.highest=0.99", "variables.policies.0.bounds.upper=highest"],
    "an episode of one period": ["run.N_episode_length=1", "run.N_minibatch_size=8"],
    "checks of each operation": ["enable_check_numerics=true"],
}  # fmt: skip
SOLVERS = {
    "primal": [],
    "dual": [],
    "matrix_free": ["+optimizer.optimizer_kwargs.iterations=2"],
}
STATES = ["moments", "learned", "histogram"]


@pytest.fixture(autouse=True)
def _a_gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    """What Calibration.py gives is kept before: it is made on the CPU anyhow, and slow where each operation is looked at."""
    if "model" in request.fixturenames:
        name = request.getfixturevalue("model")
        made = deqn.Model(compose([f"model={name}", *SIZES, *SMALLER.get(name, []), "device=cpu"]).config)
        keep(made.calibrated, made.folder, made.config.constants)
    with contextlib.nullcontext() if torch.cuda.is_available() else pretend_cuda():
        yield


OTHERS = sorted({path.parent.name for path in (ROOT / "models").glob("*/Equations.py")} - set(MODELS))


def trainer(model: str, *overrides: str, folder=None) -> Trainer:
    composed = compose([f"model={model}", *SIZES, *SMALLER.get(model, []), *overrides])
    made = deqn.Model(composed.config)
    probe(made)
    if folder is not None:
        folder.mkdir(exist_ok=True)
        write_run_configuration(composed, folder)
        RunFolder(folder).write(status="running", configuration=comparable(composed.config), versions={})
    return Trainer(made, None if folder is None else RunFolder(folder))


def trains(*arguments: str) -> None:
    made = trainer(*arguments)
    made.fit()
    assert made.state.episode == 2
    assert made.state.starting_state.is_cuda
    assert all(p.is_cuda for p in made.model.network.parameters())


@pytest.mark.parametrize("model", OTHERS)
def test_the_files_of_every_other_model_stay_on_the_device(model):
    """One episode of gradients; what is shown of a run, and least squares, are the library's and tried with the models above."""
    short = ["run.N_episode_length=2", "run.N_epochs_per_episode=1", "run.N_episodes=1"]
    made = trainer(model, "optimizer=brock_mirman", "net.warm_start=none", *short)
    made.fit()
    assert made.state.starting_state.is_cuda


@pytest.mark.parametrize("model", MODELS)
def test_two_episodes_and_two_more_and_what_is_shown_of_them(model, tmp_path):
    first = trainer(model, folder=tmp_path / "run")
    assert estimate_seconds(first) > 0
    first.fit()
    second = trainer(model, "run.N_episodes=4", folder=tmp_path / "run")
    second.restore("LATEST")
    second.fit()
    assert second.state.episode == 4
    run = deqn.load_run(tmp_path / "run", overrides=["N_simulated_batch_size=4", "N_simulated_episode_length=6"])
    states = run.simulate()
    assert states.is_cuda
    frames = run.frames(states)
    assert len(frames["simulated_states"]) == 24
    cloud = states.flatten(0, 1)
    assert run.accuracy(cloud).notna().all().all()
    assert run.accuracy(run.wider_box(cloud)).notna().all().all()
    figures.euler_discrepancies(run.residuals(cloud), tmp_path / "euler.png")
    figures.paths(run, tmp_path / "paths.png")
    figures.policies(run, cloud, tmp_path / "policies.png")
    run.closing_lines()


@pytest.mark.parametrize("kind", ["guess", "linear"])
def test_a_warm_start(kind):
    trains("brock_mirman", f"net.warm_start={kind}")


def test_a_warm_start_of_a_large_network(monkeypatch):
    monkeypatch.setattr(warm_start, "_WORK", 0)  # by L-BFGS
    trains("brock_mirman", "net.warm_start=guess")


def least_squares(solver: str) -> list[str]:
    return ["optimizer=levenberg_marquardt", f"+optimizer.optimizer_kwargs.solver={solver}", *SOLVERS[solver]]


@pytest.mark.parametrize("solver", SOLVERS)
def test_least_squares(solver):
    trains("brock_mirman", *least_squares(solver))


@pytest.mark.skipif(torch.cuda.is_available(), reason="the pretended GPU lists what a real one does not")
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_host_waits_once_for_each_try_of_a_least_squares_step(monkeypatch, solver):
    made = trainer("brock_mirman", *least_squares(solver))
    stays, step, tries = made.step_of_phase._stays, made.step, []

    def first_refused(values):
        tries.append(stays(values))
        return tries[-1] if len(tries) > 1 else torch.zeros_like(tries[-1])

    def counted(states):
        tries.clear()
        waits.clear()
        terms = step(states)
        assert len(tries) > 1
        assert len(waits) == len(tries)
        return terms

    monkeypatch.setattr(made.step_of_phase, "_stays", first_refused)
    monkeypatch.setattr(made, "step", counted)
    made.fit(quiet=True)


def test_iterations_after_the_solution_leave_it_as_it_is():
    """The host does not ask a GPU whether conjugate gradients have ended."""
    torch.manual_seed(0)
    module, states = torch.nn.Linear(3, 2, dtype=torch.float64), torch.randn(40, 3, dtype=torch.float64)
    found = []
    for device in ("cpu", "cuda"):
        values = {name: p.detach().to(device) for name, p in module.named_parameters()}
        system = normal_equations(module, values, states.to(device), Alone(), "matrix_free", tolerance=1e-9)
        found.append(system.solve(torch.tensor(0.5, dtype=torch.float64, device=device), system.rows).cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting(setting):
    trains("brock_mirman", *SETTINGS[setting])


def test_bounds_of_each_entry():
    bounds = "+variables.policies.0.bounds={lower: [0.0001, 0.0002, 0.0003, 0.0004, 0.0005], upper: highest}"
    composed = compose(["model=analytic", *SIZES, "+constants.constants.highest=[5, 6, 7, 8, 9]", bounds])
    model = deqn.Model(composed.config)
    terms = loss.terms(model, model.initial_states(4))
    assert terms.loss.is_cuda
    assert {"penalty_lower_policy_a", "penalty_upper_policy_a"} <= set(terms.penalties)


@pytest.mark.parametrize("state", STATES)
def test_every_aggregate_state(state):
    trains("krusell_smith", f"net.distribution.sees={state}")


@pytest.mark.parametrize("skips", [True, False])
def test_a_number_that_is_not_finite(skips):
    """Where the optimizer skips steps by itself, it is noticed at the end of the pass."""
    made = trainer("brock_mirman", "on_nonfinite=rollback", *([] if skips else ["optimizer.optimizer=RMSprop"]))
    assert made.step_of_phase.on_device == skips
    terms = made.terms

    def poisoned(model, states):
        result = terms(model, states)
        if made.state.step == 3 and made.state.rollbacks.n == 0:
            result.loss = result.loss * float("nan")
        return result

    made.terms = poisoned
    made.fit()
    assert made.state.rollbacks.n == 1
    assert made.state.episode == 2


def test_the_report_of_krusell_smith(tmp_path):
    """Its parts, on fewer quarters than it has."""
    trainer("krusell_smith", folder=tmp_path / "run").fit()
    run = deqn.load_run(tmp_path / "run")
    economy, link = Economy(run), run.model.linker.link
    path = Path(economy, 11, 1)
    with run.model.context(), torch.no_grad():
        assert "mean K" in aggregates.save(path)
        assert len(households.draw(path).axes) == 3
        link("PostProcess").post_process(run)
        solution = linear.solve(link("Linear").sequence_jacobian(run.config.constants, run.model.calibration))
        assert impulse_responses.table(economy, solution, economies=2, periods=5).notna().all().all()
        report.on_other_nodes(path, np.linspace(0, 200, 50))
        report.euler_errors(economy, path.states, run.wider_box(path.states))
        five = economy.start.repeat(5, 1)
        at_each_node = economy.moved(five, economy.policy(five), np.arange(5))
        assert bellman_errors(economy, at_each_node, np.arange(5))["E|V - max(u + beta E V')|"] < 1
