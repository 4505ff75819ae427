"""`about` of variables and constants: words, and the unit at their end."""

from __future__ import annotations

import pytest

from deqn.configuration.compose import compose
from deqn.configuration.validate import parse
from deqn.configuration.words import about_constants, about_variables, units, words_and_unit
from deqn.disk.run_folder import comparable
from deqn.errors import ConfigError

DESCRIBED = ["++variables.states.0.about='capital [goods]'", "++variables.policies.0.about='savings rate'"]


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ("capital [goods]", ("capital", "goods")),
        (" depreciation [1/year] ", ("depreciation", "1/year")),
        ("shocks of a [wild] kind", ("shocks of a [wild] kind", "")),
        ("interval [0, 1] of x [%]", ("interval [0, 1] of x", "%")),
        ("savings rate", ("savings rate", "")),
        ("[goods]", ("", "goods")),
        ("", ("", "")),
    ],
)
def test_the_unit_stands_in_brackets_at_the_end(about, expected):
    assert words_and_unit(about) == expected


def test_variables_have_what_their_entry_says():
    config = compose(["model=brock_mirman", *DESCRIBED]).config
    assert about_variables(config)["s"] == "savings rate"
    assert units(config)["K"] == "goods"
    assert "s" not in units(config)


def test_words_do_not_make_it_another_run():
    with_words, without = (compose(["model=brock_mirman", *more]).config for more in (DESCRIBED, []))
    assert comparable(with_words) == comparable(without)


def tree(**constants) -> dict:
    config = compose(["model=brock_mirman"]).config
    return config.model_dump(exclude={"about"}) | {"constants": constants}


@pytest.mark.parametrize("nested", [True, False])
def test_a_file_of_constants_has_words_beside_them(nested):
    values = dict(compose(["model=brock_mirman"]).config.constants)
    about = {"beta": "discount factor [1/year]"}
    config = parse(tree(about=about, **({"constants": values} if nested else values)))
    assert config.constants == values
    assert about_constants(config)["beta"] == about["beta"]


def test_words_have_the_name_that_python_reads():
    config = parse(tree(constants={"\u00b5": 0.2}, about={"\u00b5": "markup"}))  # the micro sign of a keyboard
    assert about_constants(config) == {"\u03bc": "markup"}


def test_the_command_line_adds_words():
    config = compose(["model=brock_mirman", "++constants.about.beta=patience"]).config
    assert about_constants(config)["beta"] == "patience"
    assert "about" not in config.constants


def test_words_of_a_constant_that_there_is_not_are_refused_with_the_nearest_name():
    with pytest.raises(ConfigError) as error:
        parse(tree(constants={"beta": 0.9}, about={"bta": "discount factor"}))
    assert "constants.about.bta: there is no constant 'bta'. Did you mean beta?" in error.value.report


def test_words_are_texts():
    with pytest.raises(ConfigError, match="expected a text"):
        compose(["model=brock_mirman", "++constants.about.beta=[1]"])
