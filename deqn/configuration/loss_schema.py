"""`run.loss`: what is made of the residuals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from deqn.configuration.fields import Group, PositiveFloat, Rate, Share


class Loss(Group):
    """Loss of the residuals, and weights of the equations; the formulas stand in docs/explanation/losses.md."""

    kind: Literal["mse", "huber", "log-cosh", "sobolev"] = Field(
        "mse",
        description="(new) of a residual r: r², Huber's function, log cosh r, or r² and the squares of its derivatives",
    )
    huber_delta: PositiveFloat = Field(1.0, description="(new) |r| from which `huber` grows linearly")
    sobolev_weight: PositiveFloat = Field(
        1.0, description="(new) weight of the derivatives with respect to the states in `sobolev`"
    )
    weights: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="(new) weight of an equation, by its name; 1 for the others"
    )
    reweighting: Literal["none", "softmax", "inverse", "relobralo"] = Field(
        "none",
        description="(new) weights that follow the losses of the equations: `softmax` and `inverse` weigh large losses down, "
        "from episode to episode; `relobralo` weighs up what falls slowly, from step to step",
    )
    temperature: PositiveFloat = Field(
        1.0, description="(new) of `softmax` and `relobralo`: the larger, the more equal"
    )
    decay: Share = Field(0.95, description="(new) of `relobralo`: share of the weights that stays")
    lookback: Share = Field(
        0.9,
        description="(new) of `relobralo`: probability that what stays are the weights before, not those since the first",
    )
    all_in_one: bool = Field(
        False,
        description="(new) the product of the residuals of two independent draws in place of the square of one; needs "
        "`expectation_type: pseudo_random`",
    )
    trace_decay: Rate = Field(
        0.0,
        description="(new) eligibility trace: decay per period of the sum of residuals along a trajectory; 0 for none",
    )

    @property
    def is_default(self) -> bool:
        """Whether the loss is the plain mean square."""
        plain = self.kind == "mse" and not self.all_in_one and self.trace_decay == 0
        return plain and not self.weights and self.reweighting == "none"

    def problems(self) -> list[str]:
        """Which of its keys do not go together."""
        found = []
        if self.all_in_one and self.kind != "mse":
            found.append(
                f"run.loss.all_in_one takes products of residuals, and run.loss.kind = {self.kind!r} is no square: leave one out."
            )
        if self.trace_decay and self.kind == "sobolev":
            found.append(
                "run.loss.trace_decay sums residuals along a trajectory, and sobolev's derivatives are those of single states: "
                "leave one out."
            )
        return found
