"""Where the shipped models, their YAML files and the stubs for editors lie: at the top of a checkout, in an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

MODELS = _ROOT / "models"
CONFIG = _ROOT / "config"
TYPINGS = _ROOT / "typings"
IN_CHECKOUT = _PACKAGE.parent == _ROOT
