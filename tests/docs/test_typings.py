"""The stubs for editors declare what the namespaces of a Model have."""

from __future__ import annotations

import ast
import inspect

import pytest

import deqn
from deqn.configuration.schema import reserved_names
from tests.docs.blocks import ROOT

NAMESPACES = ("State", "PolicyState", "Definitions", "Parameters", "Globals")


@pytest.fixture(scope="module")
def model() -> deqn.Model:
    return deqn.load_model("bm1972")


def functions(namespace: str) -> dict[str, list[str]]:
    """Functions of a stub with the names of their arguments."""
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree(namespace).body
        if isinstance(node, ast.FunctionDef)
    }


def attributes(namespace: str) -> set[str]:
    return {
        node.target.id
        for node in tree(namespace).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def tree(namespace: str) -> ast.Module:
    return ast.parse((ROOT / "typings" / f"{namespace}.pyi").read_text(encoding="utf-8"))


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_declared_names_exist_on_a_model(namespace, model):
    declared = attributes(namespace) | {*functions(namespace)} - {"__getattr__"}
    assert declared <= {*getattr(model, namespace)}


@pytest.mark.parametrize("namespace", ["State", "PolicyState"])
def test_declared_functions_have_the_arguments_of_the_real_ones(namespace, model):
    for name, arguments in functions(namespace).items():
        if name != "__getattr__":
            assert arguments == [*inspect.signature(getattr(getattr(model, namespace), name)).parameters]


def test_the_librarys_own_parameters_are_declared(model):
    assert attributes("Parameters") == {*model.Parameters} - {*model.config.constants}


def test_the_librarys_own_functions_of_State_are_declared():
    assert {*functions("State")} - {"__getattr__"} == reserved_names()
