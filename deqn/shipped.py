"""Where the shipped models, their YAML files and the stubs for editors lie: at the top of a checkout, in an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOT = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

MODELS = _ROOT / "models"
CONFIG = _ROOT / "config"
TYPINGS = _ROOT / "typings"
IN_CHECKOUT = _PACKAGE.parent == _ROOT


def model_folders(models_dir: str | Path | None) -> list[Path]:
    """Where model folders are looked for."""
    return [*([Path(models_dir)] if models_dir else []), MODELS]


def find_model(name: str, models_dir: str | Path | None) -> Path | None:
    """The folder of a model: in `MODELS_DIR` if there is one, else among the shipped models; None where there is none."""
    places = (root / name for root in model_folders(models_dir))
    return next((place for place in places if (place / "Equations.py").is_file()), None)
