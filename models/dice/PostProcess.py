"""The path from 2015 as a figure: the network's beside that of the direct optimisation."""

import numpy as np

import Hooks

from deqn import figures


def post_process(run):
    figures.save(draw(run), run.output / "path.png")


def draw(run):
    """Six panels of the path to 2300, with the reference as dashes."""
    ours, theirs = Hooks.path(run), Hooks.solution(run)
    figure, axes = figures.new(rows=2, columns=3, height=2.6, width=3.6)
    for axis, (name, title) in zip(axes, Hooks.SHOWN.items(), strict=True):
        axis.plot(ours["year"], ours[name], color="#3b6fb6", linewidth=2.5, alpha=0.7, label="network")
        axis.plot(ours["year"], getattr(theirs, name)[: len(ours[name])], "k--", linewidth=1, label="direct optimisation")
        distance = np.abs(ours[name] / getattr(theirs, name)[: len(ours[name])] - 1).max()
        axis.set(title=f"{title}: within {100 * distance:.2f} %", xlabel="year")
        axis.title.set_fontsize("medium")
    axes[0].legend()
    return figure
