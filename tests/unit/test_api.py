"""Models from Python are tried as those of the command line are."""

from __future__ import annotations

import warnings

import pytest

import deqn


def test_a_loaded_model_evaluates_expectations_on_all_nodes_at_once():
    expectations = deqn.load_model("brock_mirman").expectations
    assert expectations.stacked_step
    assert expectations.stacked_function


def test_problems_of_a_model_are_raised_and_notes_are_warnings():
    with pytest.raises(deqn.ModelError, match="not finite"):
        deqn.load_model("brock_mirman", ["variables.states.0.init.kwargs={minval: -2.0, maxval: -1.0}"])
    with pytest.warns(UserWarning, match="only 0.5 to 0.726 of 0.01 to 0.99 can be reached"):
        deqn.load_model("brock_mirman", ["net.layers.2.output.activation=sigmoid"])


def test_a_shipped_model_is_loaded_without_a_word():
    with warnings.catch_warnings(action="error"):
        deqn.load_model("bm1972")


def test_a_model_can_be_loaded_without_trying_it():
    model = deqn.load_model(
        "brock_mirman", ["variables.states.0.init.kwargs={minval: -2.0, maxval: -1.0}"], check=False
    )
    assert not model.expectations.stacked_step
