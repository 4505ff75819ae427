"""Variables.py: what is read of it, and what is wrong with it."""

from __future__ import annotations

import pytest

from deqn.errors import ConfigError
from deqn.tensorflow.variables import has_variables, is_plain, read_variables
from tests.library import with_variables

LISTS = "states = [{'name': 'K'}]\npolicies = [{'name': 's'}]\n"


def read(folder, text):
    return read_variables(with_variables(folder, text) / "growth", "growth", {"N_sim_batch": 3})


def test_lists_are_plain_and_constants_keep_what_no_yaml_can_hold(tmp_path):
    made = read_variables(with_variables(tmp_path) / "growth", "growth", {})
    assert made.lists["definitions"] == [
        {"name": "Y", "bounds": {"lower": 0.001}},
        {"name": "C", "bounds": {"lower": 0.001}},
    ]
    assert is_plain(made.lists["states"])
    assert type(made.lists["states"][0]["init"]["kwargs"]["minval"]) is float
    assert made.constants["grid"].tolist() == [0.0, 0.5, 1.0]
    assert made.constants["double"](4) == 8
    assert callable(made.activation("s"))


def test_it_may_read_settings_of_the_run(tmp_path):
    assert read(tmp_path, LISTS + "import Parameters\nconstants = {'n': Parameters.N_sim_batch}").constants == {"n": 3}


def test_it_may_read_a_file_that_the_environment_names(tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("x\n0.25\n")
    monkeypatch.setenv("MY_DATA", str(tmp_path / "data.csv"))
    text = LISTS + "import os, pandas as pd\nconstants = {'x': pd.read_csv(os.environ['MY_DATA'])['x'][0]}"
    assert read(tmp_path, text).constants == {"x": 0.25}


@pytest.mark.parametrize("line", ["import helper", "from growth import Extra as helper", "from growth.Extra import n"])
def test_helpers_beside_it_and_files_of_the_model_can_be_imported(tmp_path, line):
    files = {"helper.py": "import Parameters\nn = Parameters.N_sim_batch\n", "growth/Extra.py": "n = 3\n"}
    name = "n" if line.endswith("n") else "helper.n"
    folder = with_variables(tmp_path, f"{line}\n{LISTS}constants = {{'n': {name}}}\n", **files)
    assert read_variables(folder / "growth", "growth", {"N_sim_batch": 3}).constants == {"n": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LISTS + "x = 1 / 0", r"growth/Variables.py:3: ZeroDivisionError: division by zero"),
        (LISTS + "import no_such_package", r"growth/Variables.py:3: it needs no_such_package, which is not installed"),
        (LISTS + "def f(:\n", r"growth/Variables.py:3: SyntaxError"),
        ("states = []\npolicies = 3\n", r"growth/Variables.py: policies is a int, expected a list of dictionaries"),
        (LISTS + "constants = [1]", r"growth/Variables.py: constants is a list, expected a dictionary"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_it_is_run_once_a_process(tmp_path):
    folder = (
        with_variables(tmp_path, LISTS + "import numpy as np\nconstants = {'x': float(np.random.rand())}") / "growth"
    )
    assert read_variables(folder, "growth", {}).constants == read_variables(folder, "growth", {}).constants


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LISTS, True),
        ("states, policies = [], []", True),
        ("from other import states, policies", True),
        ("x = 1", False),
        ("def f(:", True),
    ],
)
def test_a_file_of_that_name_without_the_lists_is_another_one(tmp_path, text, found):
    (tmp_path / "Variables.py").write_text(text)
    assert has_variables(tmp_path) is found
    assert has_variables(tmp_path / "elsewhere") is False
