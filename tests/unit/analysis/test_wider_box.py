"""The wider box of post-processing stays where the model is defined."""

from __future__ import annotations

import pytest
import torch

import deqn


def run_of(name: str) -> deqn.Run:
    model = deqn.load_model(name)
    return deqn.Run(model, model.folder, model.initial_states(500))


def test_a_state_that_is_positive_stays_positive():
    run = run_of("bm1972")
    cloud = run.model.initial_states(500)
    assert run.wider_box(cloud).min() > 0


def test_the_box_is_wider_than_the_cloud_on_both_sides():
    run = run_of("brock_mirman")
    cloud = run.model.initial_states(2000)
    box = run.wider_box(cloud)
    assert (box.min(0).values < cloud.min(0).values).all()
    assert (box.max(0).values > cloud.max(0).values).all()


def test_residuals_in_the_box_are_finite():
    run = run_of("bm1972")
    residuals = run.residuals(run.wider_box(run.model.initial_states(500)))
    assert all(bool(torch.isfinite(residual).all()) for residual in residuals.values())


@pytest.mark.parametrize("values", ["[0.0, 1.0, 2.0]", "[0.97, 1.03]"], ids=["whole numbers", "values of a choice"])
def test_a_state_that_takes_certain_values_keeps_them(values):
    init = f"variables.states.1.init={{distribution: choice, kwargs: {{values: {values}}}}}"
    model = deqn.load_model("brock_mirman", [init])
    cloud = model.initial_states(500)
    box = deqn.Run(model, model.folder, cloud).wider_box(cloud)
    assert set(box[:, 1].tolist()) == set(cloud[:, 1].tolist())
    assert box[:, 0].max() > cloud[:, 0].max()
