"""`import Globals` in a file of a model folder: switches."""

from typing import Any

POST_PROCESSING: bool
DISABLE_SHOCKS: bool

def __getattr__(name: str) -> Any:
    """A switch of your own."""
