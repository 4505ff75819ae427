"""Draws analytic.png and rbc_labor.png, trained policies beside the known answers: python benchmarks/catalogue_figures.py"""

from pathlib import Path

import matplotlib
import numpy as np
import torch

import deqn
from deqn.economy.known_answer import closed_form

matplotlib.use("Agg")
from matplotlib import pyplot

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "figures"
COLOURS = ["#3b6fb6", "#d1793b", "#4d9a6a", "#8a5fa8", "#b64a5a"]


def trained(name):
    model = deqn.load_model(name)
    deqn.Trainer(model).fit(quiet=True)
    return deqn.Run(model, Path())


def analytic():
    """Savings of each age against its wealth, and their distance, on 2,000 ergodic states."""
    run = trained("analytic")
    model = run.model
    states = run.simulate(batch=20, length=300)[200:].flatten(0, 1)
    with model.context(), torch.no_grad():
        wealth = model.Definitions.wealth(states, None).numpy()
    savings, exact = run.policies(states).numpy(), closed_form(model, states)["a"].numpy()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), dpi=150)
    for age, colour in enumerate(COLOURS):
        x = wealth[:, age]
        left.plot(x, savings[:, age], ".", markersize=2, color=colour, label=f"age {age + 1}")
        ends = [x.argmin(), x.argmax()]
        left.plot(x[ends], exact[ends, age], "k-", linewidth=0.8)
        right.semilogy(x, np.abs(savings[:, age] - exact[:, age]), ".", markersize=2, color=colour)
    left.plot([], [], "k-", linewidth=0.8, label="closed form")
    left.legend(frameon=False, fontsize=8, markerscale=4)
    left.set(xlabel="wealth", ylabel="savings", title="network and closed form")
    right.axhline(1e-5, color="grey", linewidth=0.8, linestyle="--")
    right.set(xlabel="wealth", ylabel="distance", title="distance between them")
    save(figure, "analytic")


def rbc_labor():
    """Consumption and hours against capital at three levels of productivity, and their relative distance."""
    run = trained("rbc_labor")
    model = run.model
    p = model.Parameters
    K = float(p.K_ss) * torch.linspace(0.85, 1.15, 200, dtype=model.dtype)
    figure, axes = pyplot.subplots(1, 3, figsize=(10, 3.4), dpi=150)
    hooks = model.linker.link("Hooks")
    for z, colour in zip((-2, 0, 2), COLOURS, strict=False):
        states = torch.stack([K, torch.full_like(K, z * float(p.sd_z))], dim=-1)
        with model.context(), torch.no_grad():
            known, (consumption, _) = hooks.reference_policies(states), hooks.errors(states)
            policies = model.policy(states)
            ours = {"C": model.Definitions.C(states, policies), "N": model.PolicyState.N(policies)}
        for axis, name in zip(axes, ours, strict=False):
            axis.plot(K, ours[name], color=colour, linewidth=2.5, alpha=0.6, label=f"z at {z:+d} sd" if z else "z = 0")
            axis.plot(K, known[name], "k--", linewidth=0.8)
        axes[2].semilogy(K, consumption, color=colour)
    axes[0].plot([], [], "k--", linewidth=0.8, label="collocation")
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].set(ylabel="consumption", title="consumption")
    axes[1].set(ylabel="hours", title="hours")
    axes[2].axhline(1e-5, color="grey", linewidth=0.8, linestyle=":")
    axes[2].set(ylabel="relative distance", title="consumption: distance")
    for axis in axes:
        axis.set_xlabel("capital")
    save(figure, "rbc_labor")


def save(figure, name):
    figure.tight_layout()
    figure.savefig(FIGURES / f"{name}.png", facecolor="white")


if __name__ == "__main__":
    analytic()
    rbc_labor()
