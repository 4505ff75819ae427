"""The figures of post-processing: readable and drawn in seconds, whatever the number of variables."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
import torch

from deqn.analysis import figures


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
    )
    return SimpleNamespace(model=model, policies=lambda states: states.new_zeros(len(states), n_policies))


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
    figures.paths(run(400, 1), torch.rand(5, 3, 400), "paths.png")
    assert len(drawn[0].axes) == 24
    assert drawn[0].get_suptitle() == "24 of 400 states"


def test_discrepancies_have_few_panels_and_say_what_is_left_out(drawn):
    figures.euler_discrepancies({f"euler{i}": torch.rand(9) + 0.1 for i in range(30)}, "euler.png")
    assert len(drawn[0].axes) == 24
    assert drawn[0].get_suptitle() == "24 of 30 equations"


def test_residuals_below_1e_12_are_counted_there_and_the_axis_says_so(drawn):
    figures.euler_discrepancies({"a": torch.tensor([0.1, 0.0]), "b": torch.tensor([0.1, 0.2])}, "euler.png")
    labels = [axis.get_xlabel() for axis in drawn[0].axes]
    assert labels == ["log10 |residual|, smaller ones counted at -12", "log10 |residual|"]


def test_a_pdf_lies_beside_each_png(tmp_path):
    assert figures.save(figures.new()[0], tmp_path / "loss.png") == tmp_path / "loss.png"
    assert {file.name for file in tmp_path.iterdir()} == {"loss.png", "loss.pdf"}
