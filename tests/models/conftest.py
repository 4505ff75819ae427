"""Shared by the tests of models."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """models/krusell_smith/reference/Reference.py by itself, as its command line runs it."""
    path = ROOT / "models" / "krusell_smith" / "reference" / "Reference.py"
    spec = importlib.util.spec_from_file_location("krusell_smith_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
