"""Savings of each age beside the closed form, as a figure."""

import torch

import Definitions
import Hooks
import Parameters
import PolicyState

from deqn import figures

STATES = 1_000  # that are drawn
LEAST = 1e-12  # distances below it are drawn there: their logarithm would be a point far away from all others


def post_process(run):
    figures.save(draw(run), run.output / "savings.png")


def draw(run):
    """Savings by wealth, the network's as dots and the closed form as a line for each age, and the distance between them."""
    cloud = run.cloud()
    states = cloud[torch.linspace(0, len(cloud) - 1, min(len(cloud), STATES)).long()]
    ours, exact = PolicyState.a(run.policies(states)).cpu(), Hooks.closed_form(states)["a"].cpu()
    wealth = Definitions.wealth(states, None).cpu()
    figure, (left, right) = figures.new(columns=2, height=3.6)
    for i in range(Parameters.savers):
        left.plot(wealth[:, i], ours[:, i], ".", markersize=5, alpha=0.6, label=f"age {i + 1}")
        ends = wealth[:, i].argmin(), wealth[:, i].argmax()
        left.plot([wealth[j, i] for j in ends], [exact[j, i] for j in ends], "k-", linewidth=0.8)
        right.semilogy(wealth[:, i], (ours[:, i] - exact[:, i]).abs().clamp(min=LEAST), ".", markersize=2)
    left.plot([], [], "k-", linewidth=0.8, label="closed form")
    left.set(title="Savings", xlabel="wealth [goods]", ylabel="savings [goods]")
    right.set(title="Distance to the closed form", xlabel="wealth [goods]", ylabel="distance [goods]")
    left.legend(fontsize="small")
    return figure
