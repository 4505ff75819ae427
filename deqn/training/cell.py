"""Progress in a notebook: a bar and a line below the cell, redrawn in place, without a widget that must be installed."""

from __future__ import annotations

from html import escape
from typing import Any


class Cell:
    """The output of one cell of Jupyter.

    Attributes:
        seconds_between: two redrawings; each is a message to the browser.
    """

    seconds_between = 0.5

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, share: float, text: str) -> None:
        """Draws the bar up to a share of its length, and a text beside it."""
        from IPython.display import display  # there, in a notebook

        bar = f'<progress value="{share:.4f}" max="1" style="width: 14em"></progress>'
        data = {"text/plain": text, "text/html": f'{bar} <code style="white-space: pre-wrap">{escape(text)}</code>'}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
