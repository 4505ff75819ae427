"""Draws deqn.png, the loop of a Deep Equilibrium Net: python docs/figures/deqn.py"""

from itertools import chain, pairwise
from pathlib import Path

import matplotlib
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

matplotlib.use("Agg")
from matplotlib import pyplot

INK, PALE, LINE = "#1f2933", "#eef3fb", "#3b6fb6"
BOXES = {  # name: centre, title, text
    "state": ((1.15, 3.1), "State", "capital $K$,\nproductivity $z$"),
    "policy": ((6.35, 3.1), "Policy", "savings rate $s$\nin this state"),
    "conditions": ((6.35, 0.85), "Equilibrium conditions", "residual\n$1 - \\beta\\,\\mathrm{E}\\,[R'\\,C/C']$"),
    "loss": ((1.15, 0.85), "Loss", "sum of the\nsquared residuals"),
}
WIDTH, HEIGHT = {"state": 1.9, "policy": 1.9, "conditions": 2.85, "loss": 1.9}, 1.05


def draw():
    figure, axis = pyplot.subplots(figsize=(8, 4.3), dpi=200)
    axis.set(xlim=(0, 8), ylim=(0, 4.3))
    axis.axis("off")
    for name, (centre, title, text) in BOXES.items():
        box(axis, centre, WIDTH[name], title, text)
    network(axis, (3.75, 3.1))
    arrow(axis, (2.2, 3.1), (2.95, 3.1))
    arrow(axis, (4.55, 3.1), (5.3, 3.1))
    arrow(axis, (6.0, 3.72), (1.5, 3.72), curve=0.1)
    label(axis, (3.75, 4.12), "1  simulate: the next states of the economy")
    arrow(axis, (6.35, 2.5), (6.35, 1.48))
    label(axis, (6.5, 2.0), "2  insert", left=True)
    arrow(axis, (4.82, 0.85), (2.2, 0.85))
    label(axis, (3.53, 0.62), "3  square, add up")
    arrow(axis, (2.2, 1.2), (3.75, 2.2), curve=0.25)
    label(axis, (3.8, 1.67), "4  step: change\n    the weights", left=True)
    figure.savefig(Path(__file__).with_suffix(".png"), facecolor="white", bbox_inches="tight", pad_inches=0.05)


def box(axis, centre, width, title, text):
    x, y = centre
    axis.add_patch(
        FancyBboxPatch((x - width / 2, y - HEIGHT / 2), width, HEIGHT, boxstyle="round,pad=0.05,rounding_size=0.12",
                       facecolor=PALE, edgecolor=LINE, linewidth=1.4)
    )  # fmt: skip
    axis.text(x, y + 0.3, title, ha="center", va="center", fontsize=12, fontweight="bold", color=INK)
    axis.text(x, y - 0.15, text, ha="center", va="center", fontsize=11, color=INK)


def network(axis, centre):
    """Three layers of neurons."""
    x, y = centre
    layers = [[(x + dx, y + 0.28 * (i - (n - 1) / 2)) for i in range(n)] for dx, n in ((-0.5, 2), (0, 4), (0.5, 1))]
    for left, right in pairwise(layers):
        for a in left:
            for b in right:
                axis.plot(*zip(a, b, strict=True), color=LINE, linewidth=0.7, alpha=0.6, zorder=1)
    for neuron in chain(*layers):
        axis.add_patch(Circle(neuron, 0.1, facecolor="white", edgecolor=LINE, linewidth=1.4, zorder=2))
    axis.text(x, y - 0.72, "network", ha="center", va="center", fontsize=12, fontweight="bold", color=INK)


def arrow(axis, start, end, curve=0.0):
    axis.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=15, linewidth=1.5, color=INK,
                        connectionstyle=f"arc3,rad={curve}", shrinkA=0, shrinkB=0)
    )  # fmt: skip


def label(axis, place, text, left=False):
    axis.text(*place, text, ha="left" if left else "center", va="center", fontsize=11, color=INK)


if __name__ == "__main__":
    draw()
