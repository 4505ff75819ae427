"""Files of a model folder see the names of their own model, and nothing else changes."""

from __future__ import annotations

import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import deqn
from deqn.economy.columns import Namespace
from deqn.economy.files import files_hash, model_files
from deqn.economy.linker import Linker
from deqn.economy.names import check_names
from deqn.economy.probe import probe
from deqn.errors import ModelError
from tests.conftest import ROOT, shipped


def linker(folder, **files: str) -> Linker:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return Linker(folder, {"Parameters": Namespace("Parameters", {"beta": 0.9})})


def test_an_import_of_a_contract_name_gives_that_of_the_model(tmp_path):
    assert linker(tmp_path, A="import Parameters\nx = Parameters.beta").link("A").x == 0.9


@pytest.mark.parametrize(
    "text",
    [
        "from Parameters import beta",
        "import Parameters as P\nbeta = P.beta",
        "def f():\n    import Parameters\n    return Parameters.beta\nbeta = f()",
    ],
    ids=["from", "as", "inside a function"],
)
def test_every_form_of_import_works(tmp_path, text):
    assert linker(tmp_path, A=text).link("A").beta == 0.9


@pytest.mark.parametrize(
    "text", ["import B\nx = B.x", "from B import x", "from . import B\nx = B.x", "from .B import x"]
)
def test_another_file_of_the_folder_is_linked(tmp_path, text):
    assert linker(tmp_path, A=text, B="import Parameters\nx = 2 * Parameters.beta").link("A").x == 1.8


def test_the_folder_can_be_imported_by_its_name(tmp_path):
    folder = tmp_path / "economy"
    folder.mkdir()
    assert (
        linker(folder, A="import economy.B\nfrom economy import B\nx = economy.B.x + B.x", B="x = 2").link("A").x == 4
    )


@pytest.fixture
def two_models(tmp_path):
    """A linker of the model `variant`, which builds on the model `base` beside it."""

    def make(base: dict[str, str], variant: dict[str, str]) -> Linker:
        for name, files in (("base", {"Equations": "", **base}), ("variant", {"Equations": "", **variant})):
            (tmp_path / name).mkdir()
            linked = linker(tmp_path / name, **files)
        return linked

    return make


def test_a_file_of_another_model_runs_with_this_models_names_and_files(two_models):
    base = {"A": "import Parameters, Income\nx = Parameters.beta * Income.x * Own.y", "Income": "x = 10"}
    base["A"] = "import Own\n" + base["A"]
    base["Own"] = "y = 3"
    linked = two_models(base, {"A": "from base.A import x", "Income": "x = 20"})
    assert linked.link("A").x == 0.9 * 20 * 3  # Income of this folder, Own of the other


@pytest.mark.parametrize("text", ["from base import A\nx = A.x", "import base.A\nx = base.A.x", "from base.A import *"])
def test_another_model_is_imported_in_every_form(two_models, text):
    assert two_models({"A": "x = 7"}, {"A": text}).link("A").x == 7


@pytest.mark.parametrize("text", ["from base.reference.Grid import x", "from base.reference import Grid\nx = Grid.x"])
def test_a_subfolder_of_another_model_is_imported(two_models, tmp_path, text):
    linked = two_models({"A": "x = 1"}, {"A": text})
    (tmp_path / "base" / "reference").mkdir()
    (tmp_path / "base" / "reference" / "Grid.py").write_text("x = 7")
    assert linked.link("A").x == 7


def test_an_error_in_another_models_file_is_named_with_its_folder(two_models):
    linked = two_models({"A": "\nx = 1 / 0"}, {"A": "from base.A import x"})
    with pytest.raises(ModelError, match=r"base/A\.py:2: ZeroDivisionError"):
        linked.link("A")


def test_a_name_that_another_models_file_lacks_is_an_error(two_models):
    with pytest.raises(ModelError, match=r"variant/A\.py:1: ImportError: .*'y'"):
        two_models({"A": "x = 1"}, {"A": "from base.A import y"}).link("A")


def test_the_files_of_a_model_are_those_that_it_builds_on_too(two_models, tmp_path):
    linked = two_models({"A": "x = 1"}, {"A": "from base.A import x"})
    assert [str(p.relative_to(tmp_path)) for p in model_files(linked.folder)] == [
        "variant/A.py", "variant/Equations.py", "base/A.py", "base/Equations.py",
    ]  # fmt: skip
    before = files_hash(linked.folder)
    (tmp_path / "base" / "A.py").write_text("x = 2")
    assert files_hash(linked.folder) != before


def test_every_other_import_is_pythons_own(tmp_path):
    module = linker(tmp_path, A="import torch.nn.functional as F\nfrom math import pi\nimport os.path").link("A")
    assert module.F is torch.nn.functional
    assert module.os is sys.modules["os"]


def test_a_file_is_run_once(tmp_path):
    linked = linker(tmp_path, A="import B", B="x = object()")
    linked.link("A")
    assert linked.link("A").B is linked.link("B")


def test_the_contract_names_never_enter_sys_modules():
    probe(deqn.load_model("brock_mirman"))
    assert not {"State", "PolicyState", "Definitions", "Parameters", "Globals", "Dynamics", "Equations"} & set(
        sys.modules
    )


def test_a_traceback_shows_the_real_file_and_line():
    model = deqn.load_model("brock_mirman")
    with pytest.raises(TypeError) as error:
        model.Definitions.Y(None, None)
    frame = traceback.extract_tb(error.value.__traceback__)
    line = next(f for f in frame if f.filename == str(ROOT / "models/brock_mirman/Definitions.py"))
    assert line.line == "return torch.exp(State.z(state)) * State.K(state) ** Parameters.alpha"


def test_two_calibrations_live_in_one_process():
    one, other = (deqn.load_model("bm1972", [f"constants.beta={b}"]) for b in (0.9, 0.99))
    states, policies = torch.full((3, 1), 0.2), torch.full((3, 1), 0.3)
    before = one.Definitions.Kplus_compute_analytic(states, policies)
    torch.testing.assert_close(other.Definitions.Kplus_compute_analytic(states, policies), before * 0.99 / 0.9)
    assert torch.equal(one.Definitions.Kplus_compute_analytic(states, policies), before)


def test_threads_see_the_model_that_they_call():
    betas = [0.9, 0.93, 0.96, 0.99]
    models = [deqn.load_model("brock_mirman", [f"constants.beta={b}"]) for b in betas]
    states, policies = models[0].initial_states(50), torch.full((50, 1), 0.3)
    for model in models:
        model.expectations.policy = lambda s: torch.full((*s.shape[:-1], 1), 0.3)
    barrier = threading.Barrier(4)

    def work(model):
        barrier.wait()
        return [model.equations(states, policies)["euler"] for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, models))
    for beta, values in zip(betas, results, strict=True):
        expected = torch.full((50,), 1 - 0.36 * beta / 0.3)  # the closed form of a constant savings rate
        for value in values:
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_a_file_that_fails_is_named_with_its_line(tmp_path):
    linked = linker(tmp_path, A="import B", B="x = 1\ny = x / 0")
    with pytest.raises(ModelError, match=r"B.py:2: ZeroDivisionError: division by zero"):
        linked.link("A")


def test_a_package_that_is_missing_is_named_with_the_command(tmp_path):
    with pytest.raises(ModelError, match=r"A.py:1: ModuleNotFoundError: .*pip install no_such_package"):
        linker(tmp_path, A="import no_such_package.inner").link("A")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"Equations.py is missing"):
        linker(tmp_path).link("Equations")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "A.py").write_bytes(b"x = '\xff'")
    with pytest.raises(ModelError, match="not text in UTF-8"):
        linker(tmp_path).link("A")


KNOWN, HINTS = {"Parameters": ["beta"]}, {"Parameters": ""}


def test_all_unknown_names_of_all_files_are_reported_at_once(tmp_path):
    linked = linker(tmp_path, A="import Parameters\nParameters.bta", B="import Parameters as P\n\nP.x\nP.y")
    with pytest.raises(ModelError) as error:
        check_names(linked.folder, KNOWN, HINTS)
    assert [problem.split(": ")[0].split("/")[1] for problem in error.value.problems] == ["A.py:2", "B.py:3", "B.py:4"]


def test_a_name_that_is_asked_for_first_may_be_missing(tmp_path):
    check_names(
        linker(tmp_path, A="import Parameters\nif hasattr(Parameters, 'tau'):\n    Parameters.tau").folder, KNOWN, HINTS
    )


def test_torch_math_is_refused_with_the_cure(tmp_path):
    with pytest.raises(ModelError, match=r"A.py:2: torch.math is Python's math module.*torch.exp"):
        check_names(linker(tmp_path, A="import torch\ny = torch.math.exp(1)").folder, KNOWN, HINTS)


def test_the_shipped_files_do_not_import_the_library():
    """A model is plain functions: the contract names are all it needs."""
    assert "deqn" not in shipped("brock_mirman", "Equations") + shipped("brock_mirman", "Dynamics")
