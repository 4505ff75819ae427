"""Shared by the tests of models."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.conftest import ROOT


def reference_of(model: str, file: str = "Reference") -> ModuleType:
    """A file of models/<model>/reference/ by itself, without the library."""
    path = ROOT / "models" / model / "reference" / f"{file}.py"
    spec = importlib.util.spec_from_file_location(f"{model}_{file}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """That of krusell_smith, as its command line runs it."""
    return reference_of("krusell_smith")
