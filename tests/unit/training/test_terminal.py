"""deqn/training/terminal.py: what `deqn info` and `--check` say of a model's steady state."""

from __future__ import annotations

import deqn
from deqn.training import terminal
from deqn.training.terminal import steady_state_lines


def test_the_steady_state_and_the_roots_around_it_are_told():
    rest, roots = steady_state_lines(deqn.load_model("brock_mirman", check=False))
    assert rest.startswith("steady state (no shocks): K = 0.19012, z = 0; s = 0.3456 (largest residual ")
    assert roots == "around it: one stable solution; roots 0.36, 0.9 inside the unit circle, 2.894 outside"


def test_where_there_is_no_linear_solution_it_says_why(monkeypatch):
    def none(*_):
        raise terminal.NoLinearSolution("a kink")

    monkeypatch.setattr(terminal, "linear_solution", none)
    assert steady_state_lines(deqn.load_model("bm1972", check=False))[1] == "around it: no linear solution: a kink"


def test_of_a_large_model_it_says_that_nothing_was_looked_for(monkeypatch):
    monkeypatch.setattr(terminal, "LARGEST", 2)
    (line,) = steady_state_lines(deqn.load_model("brock_mirman", check=False))
    assert line == "steady state: not looked for, in a model with 3 entries of states and policies"
