"""The figures of post-processing: readable and drawn in seconds, whatever the number of variables."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch

import deqn
from deqn.analysis import figures
from deqn.economy.linear import linear_solution


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, which are not written."""
    found = []
    monkeypatch.setattr(figures, "save", lambda figure, path: (found.append(figure), plt.close(figure), path)[2])
    return found


def run(n_states: int, n_policies: int) -> SimpleNamespace:
    """What the figures need of a run whose states and policies are numbers."""

    def column(name: str, i: int) -> SimpleNamespace:
        take = lambda x: x[..., i]  # noqa: E731
        return SimpleNamespace(name=f"{name}{i}", shape=(), raw=take, bounded=take)

    model = SimpleNamespace(
        state_columns=[column("K", i) for i in range(n_states)],
        policy_columns=[column("s", i) for i in range(n_policies)],
        is_discrete=lambda column, values: False,
        closed_form=None,
        reference=None,
    )
    described = [SimpleNamespace(name="K1", about="capital of the second sort [trillion US$/year]")]
    return SimpleNamespace(
        model=model,
        config=SimpleNamespace(variables=SimpleNamespace(states=described, policies=[], definitions=[])),
        sample=SimpleNamespace(redrawn=False),
        policies=lambda states: states.new_zeros(len(states), n_policies),
        simulate=lambda batch, length: torch.rand(length, batch, n_states),
        definitions=lambda states: {"Y": states[:, 0], "by age": states[:, None]},
    )


@pytest.mark.parametrize(
    ("n_states", "n_policies", "n_panels", "title"),
    [
        (400, 1, 24, "24 of 400 states"),
        (20, 20, 24, "4 of 20 policies, 6 of 20 states"),
        (3540, 3540, 24, "4 of 3540 policies, 6 of 3540 states"),
        (2, 3, 6, ""),
    ],
)
def test_policies_have_few_panels_and_say_what_is_left_out(drawn, n_states, n_policies, n_panels, title):
    figures.policies(run(n_states, n_policies), torch.rand(50, n_states), "policies.png")
    assert len(drawn[0].axes) == n_panels
    assert drawn[0].get_suptitle() == title


def test_paths_have_few_panels_and_say_what_is_left_out(drawn):
    figures.paths(run(400, 1), "paths.png")
    assert len(drawn[0].axes) == 24
    assert drawn[0].get_suptitle() == "5 trajectories from where training ended, 24 of 401 variables"


def test_paths_are_those_of_states_and_definitions_that_are_numbers(drawn):
    figures.paths(run(2, 1), "paths.png")
    assert [axis.get_ylabel() for axis in drawn[0].axes] == ["K0", "K1 [trillion\nUS$/year]", "Y"]
    assert {len(line.get_xdata()) for axis in drawn[0].axes for line in axis.lines} == {200}


def test_a_long_unit_is_broken_into_lines(drawn):
    figures.policies(run(2, 1), torch.rand(50, 2), "policies.png")
    assert [axis.get_xlabel() for axis in drawn[0].axes] == ["K0", "K1 [trillion\nUS$/year]"]


def test_paths_end_soon_after_nothing_moves(drawn):
    at_rest = run(1, 1)
    at_rest.simulate = lambda batch, length: (
        0.5 ** torch.arange(length).clamp(max=15).view(-1, 1, 1).expand(-1, batch, 1)
    )
    figures.paths(at_rest, "paths.png")
    assert len(drawn[0].axes[0].lines[0].get_xdata()) == 14  # a hundredth of the start is reached in period 7


def test_a_policy_of_one_state_is_a_line_over_its_range(drawn):
    figures.policies(run(1, 1), torch.tensor([[3.0], [1.0], [2.0]]), "policies.png", "initial states: 3 states")
    (line,) = drawn[0].axes[0].lines
    assert (line.get_linestyle(), len(line.get_xdata())) == ("-", 1001)
    assert (min(line.get_xdata()), max(line.get_xdata())) == (1.0, 3.0)
    assert drawn[0].get_suptitle() == "range of initial states: 3 states"


def test_a_policy_of_one_state_that_is_discrete_has_a_dot_a_state(drawn):
    regimes = run(1, 1)
    regimes.model.is_discrete = lambda column, values: True
    figures.policies(regimes, torch.tensor([[0.0], [1.0], [1.0]]), "policies.png")
    (line,) = drawn[0].axes[0].lines
    assert (line.get_linestyle(), list(line.get_xdata())) == ("None", [0.0, 1.0, 1.0])


@pytest.mark.parametrize(("name", "style"), [("bm1972", "--"), ("brock_mirman", "None")])
def test_the_closed_form_is_drawn_beside_the_network(drawn, name, style):
    model = deqn.load_model(name, check=False)
    figures.policies(deqn.Run(model, model.folder), model.initial_states(50), "policies.png")
    for axis in drawn[0].axes:
        network, exact = axis.lines
        assert (network.get_label(), exact.get_label(), exact.get_linestyle()) == ("network", "closed form", style)
        assert exact.get_ydata() == pytest.approx(model.Parameters.alpha * model.Parameters.beta)


@pytest.mark.parametrize(("name", "style"), [("bm1972", ":"), ("brock_mirman", "None")])
def test_the_linear_solution_is_drawn_beside_the_network_within_bounds(drawn, name, style):
    model = deqn.load_model(name, ["constants.delta=0.1"], check=False)
    solution = dataclasses.replace(linear_solution(model), policy=torch.tensor([1.5]))
    figures.policies(deqn.Run(model, model.folder), model.initial_states(50), "policies.png", linear=solution)
    for axis in drawn[0].axes:
        network, linear = axis.lines
        assert (network.get_label(), linear.get_label(), linear.get_linestyle()) == (
            "network",
            "linear solution",
            style,
        )
        if name == "brock_mirman":
            assert max(linear.get_ydata()) == pytest.approx(0.99)


def test_discrepancies_have_few_panels_and_say_what_is_left_out(drawn):
    figures.euler_discrepancies({f"euler{i}": torch.rand(9) + 0.1 for i in range(30)}, "euler.png")
    assert len(drawn[0].axes) == 24
    assert drawn[0].get_suptitle() == "24 of 30 equations"


def test_residuals_without_a_logarithm_have_no_bar_and_the_title_counts_them(drawn):
    a, b = torch.tensor([0.1, 0.0, torch.nan, 0.1]), torch.tensor([0.1, 0.2])
    figures.euler_discrepancies({"a": a, "b": b}, "euler.png", "ergodic cloud: 4 states")
    assert [axis.get_title().splitlines()[1:] for axis in drawn[0].axes] == [
        [
            "not drawn: 25 % of them, below 1e-12 (zero up to rounding)",
            "not drawn: 25 % of them, not finite",
        ],
        [],
    ]
    assert sum(bar.get_height() for bar in drawn[0].axes[0].patches) == 2
    assert drawn[0].get_suptitle() == "ergodic cloud: 4 states"


def test_a_pdf_lies_beside_each_png(tmp_path):
    assert figures.save(figures.new()[0], tmp_path / "loss.png") == tmp_path / "loss.png"
    assert {file.name for file in tmp_path.iterdir()} == {"loss.png", "loss.pdf"}


def test_a_new_figure_leaves_pyplot_and_its_backend_as_they_are(tmp_path):
    plt.switch_backend("svg")  # as Jupyter has its own
    held = plt.get_fignums()
    figure, (axis,) = figures.new()
    axis.plot([0, 1])
    figures.save(figure, tmp_path / "line.png")
    assert (tmp_path / "line.png").stat().st_size > 1000
    assert plt.get_fignums() == held
    assert plt.get_backend() == "svg"
