"""deqn/analysis/verdict.py: what a run that did not solve its model is told, and one that did is not."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch

import deqn
from deqn.analysis.verdict import Verdict, judge
from tests.conftest import TINY, own_model, shipped

ALPHA_BETA = 0.36 * 0.96


def with_savings(rate: float, folder: Path, *overrides: str, name: str = "brock_mirman") -> deqn.Run:
    """A run of stochastic growth whose network saves the same share in every state, between the bounds .01 and .99."""
    model = deqn.load_model(name, [*TINY[1:], *overrides])
    last = [module for module in model.network.modules() if isinstance(module, torch.nn.Linear)][-1]
    share = (rate - 0.01) / 0.98
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(math.log(share / (1 - share)))
    return deqn.Run(model, folder, model.initial_states(16))


def calibration(high: float) -> str:
    """Calibration.py of brock_mirman with another upper end of initial capital, and without a K_ss."""
    text = shipped("brock_mirman", "Calibration")
    return text.replace('"K_ss": K_ss,', "").replace("2.0 * K_ss", f"{high} * K_ss")


def kinds(verdict: Verdict) -> set[str]:
    return {finding.kind for finding in verdict.findings}


def test_nothing_is_said_against_the_exact_policy(tmp_path):
    verdict = judge(with_savings(ALPHA_BETA, tmp_path))
    assert verdict.ok
    assert verdict.numbers["mean_residual"]["euler"] < 1e-6
    assert "nothing speaks against this solution" in verdict.summary


def test_a_wrong_savings_rate_is_told_by_its_residual_and_by_its_indifference(tmp_path):
    verdict = judge(with_savings(0.5, tmp_path))
    assert {"residuals", "no reaction"} <= kinds(verdict)
    assert verdict.numbers["mean_residual"]["euler"] == pytest.approx(1 - ALPHA_BETA / 0.5, rel=0.01)


def test_too_much_capital_is_told_in_units_of_its_steady_state(tmp_path):
    (finding,) = (f for f in judge(with_savings(0.9, tmp_path)).findings if f.kind == "far from the steady state")
    steady = ALPHA_BETA ** (1 / 0.64)
    ratio = 0.9 ** (1 / 0.64) / steady
    assert f"{ratio:.2g} times its steady state {steady:.4g}" in finding.text.replace("4.5 times", f"{ratio:.2g} times")
    assert float(finding.text.split(" times its")[0].split()[-1]) == pytest.approx(ratio, rel=0.05)


def test_a_policy_at_its_bound_is_told(tmp_path):
    findings = [f for f in judge(with_savings(0.9899999, tmp_path)).findings if f.kind == "at a bound"]
    assert "Policy s sits at its upper bound in 100 %" in findings[0].text


def test_capital_that_grows_without_end_drifts_and_leaves_the_states_of_the_training(tmp_path):
    dynamics = shipped("brock_mirman", "Dynamics").replace(
        "Definitions.K_next(state, policy_state)", "1.002 * State.K(state)"
    )
    folder = own_model(tmp_path / "models", Dynamics=dynamics)
    run = with_savings(0.3, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine")
    assert {"drift", "outside the training", "far from the steady state"} <= kinds(judge(run))


def test_capital_is_measured_in_units_of_a_steady_state_that_the_model_does_not_give(tmp_path):
    """From loose initial states, growth that ended at several times its steady state's capital says so."""
    folder = own_model(tmp_path / "models", Calibration=calibration(high=9.0))
    verdict = judge(with_savings(0.9, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine"))
    assert verdict.numbers["steady_state"]["K"] == pytest.approx(ALPHA_BETA ** (1 / 0.64), rel=1e-4)
    assert "far from the steady state" in kinds(verdict)


def test_a_state_far_from_its_initial_range_is_told_where_no_steady_state_is_known(tmp_path):
    never_zero = '"other": 0.1 + PolicyState.s(policy_state) ** 2}'
    equations = shipped("brock_mirman", "Equations").replace("C(s, p))}", f"C(s, p)), {never_zero}")
    equations = equations.replace("import State", "import PolicyState\nimport State")
    folder = own_model(tmp_path / "models", Calibration=calibration(high=0.6), Equations=equations)
    verdict = judge(with_savings(0.9, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine"))
    assert "steady_state" not in verdict.numbers
    assert "left the initial range" in kinds(verdict)


def test_an_economy_that_explodes_is_told_with_the_period(tmp_path):
    dynamics = shipped("brock_mirman", "Dynamics").replace(
        "Definitions.K_next(state, policy_state)", "10.0 * State.K(state) ** 2 + 1"
    )
    folder = own_model(tmp_path / "models", Dynamics=dynamics)
    run = with_savings(0.3, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine")
    (finding,) = judge(run).findings
    assert finding.text.startswith("The economy is not finite after ")


def test_a_loss_that_still_falls_is_told_unless_it_is_small(tmp_path):
    line = "MSE: {0}  RMSE: 0  MSE_no_penalty: {0}  RMSE_no_penalty: 0\n"
    (tmp_path / "error_file.txt").write_text("".join(line.format(0.99**t) for t in range(400)))
    assert "still falling" in kinds(judge(with_savings(0.5, tmp_path)))
    assert judge(with_savings(ALPHA_BETA, tmp_path)).ok


def test_the_generator_is_where_it_was(tmp_path):
    run = with_savings(0.4, tmp_path)
    before = run.model.rng.get_state()
    judge(run)
    assert torch.equal(run.model.rng.get_state(), before)


def test_a_shaped_state_and_policy_are_judged_too(tmp_path):
    model = deqn.load_model("krusell_smith", ["constants.nA=40"])
    run = deqn.Run(model, tmp_path, model.initial_states(4))
    verdict = judge(run)  # the stationary policy, which the network begins with, is near the solution
    assert verdict.ok, verdict.findings
    assert verdict.numbers["mean"]["K"] == pytest.approx(model.Parameters.K_ss, rel=0.05)


def test_a_run_ends_with_its_verdict_and_strict_makes_it_an_exit_status(answer, tmp_path):
    short = [*TINY, "run.N_episodes=2"]
    relaxed = answer(*short, "hydra.run.dir=relaxed")
    assert relaxed.code == 0
    assert "warning The equations do not hold: mean |residual|" in " ".join(relaxed.out.split())
    record = json.loads((tmp_path / "relaxed" / "run.json").read_text())["verdict"]
    assert not record["ok"]
    assert "residuals" in {finding["kind"] for finding in record["findings"]}
    assert answer(*short, "hydra.run.dir=strict", "--strict").code == 6
    assert answer(*short, "hydra.run.dir=key", "strict=true").code == 6


def of_capital(discount: str, tmp_path: Path) -> Verdict:
    """Capital that grows by 5 % a period, and a value that is in proportion to it."""
    dynamics = shipped("brock_mirman", "Dynamics").replace(
        "Definitions.K_next(state, policy_state)", "1.05 * State.K(state)"
    )
    hooks = f"import State\n\n\ndef transversality(state, policy_state):\n    return {{'K': ({discount}, State.K(state))}}\n"
    folder = own_model(tmp_path / "models", Dynamics=dynamics, Hooks=hooks)
    return judge(with_savings(0.3, tmp_path, f"MODELS_DIR={folder}", "MODEL_NAME=mine", "run.keras_precision=float64"))


def test_capital_that_is_accumulated_for_ever_fails_transversality(tmp_path):
    verdict = of_capital("0.96", tmp_path)
    (finding,) = (f for f in verdict.findings if f.kind == "transversality")
    assert "K grows by 0.8 % a period" in finding.text
    assert verdict.numbers["transversality"]["K"] == pytest.approx(math.log(0.96 * 1.05), rel=1e-6)


def test_a_discount_factor_by_state_is_taken_period_by_period(tmp_path):
    verdict = of_capital("0.9 + 0 * State.K(state)", tmp_path)
    assert "transversality" not in kinds(verdict)
    assert verdict.numbers["transversality"]["K"] == pytest.approx(math.log(0.9 * 1.05), rel=1e-6)


@pytest.mark.parametrize(("given", "said"), [("0.96", "no pair"), ("(0.96,)", "no pair"), ("(0.96, 'K')", "no pair")])
def test_what_is_no_pair_is_refused_before_training(given, said, tmp_path):
    hooks = f"def transversality(state, policy_state):\n    return {{'K': {given}}}\n"
    folder = own_model(tmp_path / "models", Hooks=hooks)
    with pytest.raises(deqn.ModelError, match=said):
        deqn.load_model("brock_mirman", [f"MODELS_DIR={folder}", "MODEL_NAME=mine"])


def test_shipped_growth_discounts_at_its_own_rate(tmp_path):
    verdict = judge(with_savings(ALPHA_BETA, tmp_path, "run.keras_precision=float64"))
    assert verdict.numbers["transversality"]["K"] == pytest.approx(math.log(0.96), abs=1e-3)


def test_an_economy_in_transition_is_held_to_no_steady_state_and_only_to_the_periods_of_an_episode(tmp_path):
    dynamics = shipped("brock_mirman", "Dynamics").replace(
        "Definitions.K_next(state, policy_state)", "1.02 * State.K(state)"
    )
    folder = own_model(tmp_path / "models", Dynamics=dynamics)
    overrides = [f"MODELS_DIR={folder}", "MODEL_NAME=mine", "run.N_episode_length=60"]
    settles, moves = (judge(with_savings(0.3, tmp_path, *overrides, f"stationary={x}")) for x in ("true", "false"))
    told = {"drift", "far from the steady state"}
    assert told <= kinds(settles)
    assert not told & kinds(moves)
    assert (settles.numbers["periods"], moves.numbers["periods"]) == (1000, 60)


def test_mean_and_range_are_in_units_of_the_steady_state(tmp_path):
    """With half the right savings rate, capital is 0.5^(1 / 0.64) of its steady state."""
    verdict = judge(with_savings(ALPHA_BETA / 2, tmp_path))
    (line,) = verdict.levels
    mean, low, high = (float(x) for x in re.findall(r"K ([\d.]+) \(([\d.]+) to ([\d.]+)\)", line)[0])
    assert mean == pytest.approx(0.5 ** (1 / 0.64), rel=0.05)
    assert low < mean < high
    assert verdict.numbers["range"]["K"] == pytest.approx(
        (low * ALPHA_BETA ** (1 / 0.64), high * ALPHA_BETA ** (1 / 0.64)), rel=0.01
    )
