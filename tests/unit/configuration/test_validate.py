"""The typed schema: what passes, what is refused and how it is described."""

from __future__ import annotations

import copy

import pytest
from omegaconf import OmegaConf

from deqn.configuration.compose import compose
from deqn.configuration.net_schema import Layer
from deqn.configuration.schema import Config
from deqn.configuration.validate import parse
from deqn.economy.bounds import bound_of
from deqn.errors import ConfigError, suggestion


@pytest.fixture
def tree() -> dict:
    return copy.deepcopy(OmegaConf.to_container(compose(["model=brock_mirman"]).tree, resolve=True))


def problems(tree: dict) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(tree)
    return error.value.problems


def test_both_forms_of_the_constants_are_one(tree):
    nested = parse(tree).constants
    tree["constants"] = tree["constants"].get("constants", tree["constants"])
    assert parse(tree).constants == nested


def test_a_configuration_cannot_be_changed(tree):
    config = parse(tree)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


def test_an_integer_passes_where_a_number_is_expected(tree):
    tree["optimizer"]["learning_rate"] = 1
    assert parse(tree).optimizer.learning_rate == 1.0


def test_a_broken_number_is_never_cut_to_an_integer(tree):
    tree["run"]["N_episodes"] = 3.7
    assert "run.N_episodes = 3.7: expected an integer." in problems(tree)[0]


def test_a_group_that_is_missing_is_named(tree):
    del tree["net"]
    assert problems(tree) == ["net is missing."]


def test_a_field_that_is_missing_is_named(tree):
    del tree["run"]["N_sim_batch"]
    assert problems(tree) == ["run.N_sim_batch is missing."]


def test_a_problem_of_a_variable_carries_its_name(tree):
    tree["variables"]["policies"][0]["bound"] = {}
    assert problems(tree)[0].startswith("variables.policies[0] 's'.bound is not a field of variables.policies[0] 's'.")


def test_problems_of_one_group_do_not_hide_those_of_another(tree):
    tree["seed"] = "x"
    tree["variables"]["policies"][0]["bounds"]["lower"] = 5.0
    assert [p.split(" ")[0] for p in problems(tree)] == ["seed", "variables.policies[0]"]


def test_no_states_are_refused(tree):
    tree["variables"]["states"] = []
    assert "variables.states is empty: expected at least one entry." in problems(tree)


@pytest.mark.parametrize("layers", [[{"hidden": {"units": 3}}], [{"output": {}}, {"output": {}}]])
def test_hidden_layers_come_first_and_one_output_last(tree, layers):
    tree["net"]["layers"] = layers
    assert any("hidden layers first, `output` last" in problem for problem in problems(tree))


def test_the_start_of_a_policy_is_called_around(tree):
    tree["variables"]["policies"][0]["start"] = "K_ss"
    assert "'s'.start is not a field of variables.policies[0] 's'. Write `around`: " in problems(tree)[0]


def test_a_penalty_without_its_bound_is_refused(tree):
    tree["variables"]["policies"][0]["bounds"] = {"lower": 0.1, "penalty_upper": 3.0}
    tree["variables"]["policies"][0]["activation"] = None
    assert "bounds.penalty_upper = 3 is set without bounds.upper" in problems(tree)[0]


@pytest.mark.parametrize("name", ["run.json", "run.lock", "run.lock.soft", "calibration.npz"])
def test_the_error_file_takes_no_name_of_the_run_folders_own_files(tree, name):
    tree["error_filename"] = name
    assert any("taken by the run folder" in problem for problem in problems(tree))


@pytest.mark.parametrize("name", ["lambda", "2K", "K t", "_K"])
def test_a_name_that_python_cannot_read_is_refused(tree, name):
    tree["variables"]["states"][0]["name"] = name
    assert any("a name that Python can read" in problem for problem in problems(tree))


@pytest.mark.parametrize("name", ["E_t_gen", "monomial_rule", "K_RAW", "update_dict"])
def test_a_name_of_the_library_is_refused(tree, name):
    tree["variables"]["states"][0]["name"] = name
    assert any("taken by the library" in problem for problem in problems(tree))


@pytest.mark.parametrize("name", ["λ", "K_t", "π_"])
def test_letters_of_papers_are_names(tree, name):
    tree["variables"]["states"][0]["name"] = name
    assert parse(tree).variables.states[0].name == name


def test_a_bound_of_zero_needs_no_penalty_where_the_activation_keeps_within_it(tree):
    tree["variables"]["policies"][0] |= {"bounds": {"lower": 0.0, "upper": 2.0}, "activation": "implied"}
    bound = bound_of(parse(tree).variables.policies[0], {})
    assert (bound.penalty_lower, bound.penalty_upper) == (0.0, 0.25)


def test_the_default_penalty_is_one_over_the_bound_squared(tree):
    tree["variables"]["policies"][0]["bounds"] = {"lower": -0.5, "upper": 4.0}
    bound = bound_of(parse(tree).variables.policies[0], {})
    assert (bound.penalty_lower, bound.penalty_upper) == (4.0, 1 / 16)


def test_states_are_drawn_anew_by_default_only_for_episodes_of_one_period():
    assert compose(["model=bm1972"]).config.redraw
    assert not compose(["model=brock_mirman"]).config.redraw
    assert compose(["model=brock_mirman", "initialize_each_episode=true"]).config.redraw
    assert not compose(["model=bm1972", "initialize_each_episode=false"]).config.redraw


def test_steps_of_an_episode_count_whole_minibatches():
    overrides = [
        "run.N_sim_batch=10",
        "run.N_episode_length=5",
        "run.N_minibatch_size=15",
        "run.N_epochs_per_episode=2",
    ]
    assert compose(["model=brock_mirman", *overrides]).config.steps_per_episode == 6


def test_every_field_has_a_description():
    def fields(group, path=""):
        for name, field in group.model_fields.items():
            yield f"{path}{name}", field
            for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
                if hasattr(inner, "model_fields"):
                    yield from fields(inner, f"{path}{name}.")

    missing = [name for group in (Config, Layer) for name, field in fields(group) if not field.description]
    assert missing == []


def test_a_suggestion_ignores_case_and_gives_nothing_where_nothing_is_near():
    assert suggestion("LEARNING_RATE", ["learning_rate", "seed"]) == " Did you mean learning_rate?"
    assert suggestion("xyz", ["learning_rate"]) == ""
