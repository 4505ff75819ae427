"""A notebook: progress is one output that is redrawn, and a mistake of the user's is its message alone."""

from __future__ import annotations

from unittest import mock

from deqn.errors import ConfigError
from deqn.training.cell import Cell


def test_progress_is_shown_once_and_then_redrawn():
    with mock.patch("IPython.display.display") as display:
        cell = Cell()
        cell.show(0.25, "1/4 loss < 1")
        cell.show(1.0, "4/4")
    (shown,) = display.call_args_list
    assert shown.args[0]["text/plain"] == "1/4 loss < 1"
    assert 'value="0.2500"' in shown.args[0]["text/html"]
    assert "loss &lt; 1" in shown.args[0]["text/html"]
    (again,) = display.return_value.update.call_args_list
    assert again.args[0]["text/plain"] == "4/4"


def test_jupyter_shows_the_message_of_a_mistake_without_a_traceback():
    error = ConfigError("2 problems", ["this", "that"])
    assert error._render_traceback_() == ["ConfigError: 2 problems", " 1. this", " 2. that"]
