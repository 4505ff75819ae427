"""YAML files of one's own with a slip: one clear answer, with the file and what to write there."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deqn import shipped
from deqn.configuration.compose import compose
from deqn.configuration.yaml_files import GROUPS
from deqn.economy.files import model_folder
from deqn.errors import ConfigError

HEADER = "# @package _global_"


@pytest.fixture
def own(tmp_path) -> Path:
    """A folder for --config-dir with the files of brock_mirman under the name `mine`."""
    for group in ("model", *GROUPS):
        (tmp_path / group).mkdir()
        text = (shipped.CONFIG / group / "brock_mirman.yaml").read_text(encoding="utf-8")
        if group == "model":
            text = text.replace(": brock_mirman", ": mine").replace("MODEL_NAME: mine", "MODEL_NAME: brock_mirman")
        (tmp_path / group / "mine.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def refused(own: Path, *typed: str) -> str:
    with pytest.raises(ConfigError) as error:
        compose(["model=mine", *typed], own)
    assert "Exception" not in str(error.value)
    return str(error.value)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_files_of_ones_own_compose(own):
    assert compose(["model=mine"], own).config.MODEL_NAME == "brock_mirman"


def test_a_config_yaml_of_ones_own_is_refused_with_the_place_for_its_keys(own):
    (own / "config.yaml").write_text("seed: 3\n")
    message = refused(own)
    assert f"{own}/config.yaml is not read" in message
    assert "model/<name>.yaml" in message
    assert HEADER in message


def test_a_byte_order_mark_before_the_first_line_is_named(own):
    file = own / "model" / "mine.yaml"
    file.write_text("\ufeff" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert "begins with a byte-order mark: save it as UTF-8 without one" in refused(own)


@pytest.mark.parametrize("start", ["", "# my model\n# @package _global_\n", "# @package global\n"])
def test_a_model_file_without_its_first_line_is_refused_with_that_line(own, start):
    change(own / "model" / "mine.yaml", HEADER + "\n", start)
    assert f"{own}/model/mine.yaml: the first line must be `{HEADER}`." in refused(own)


@pytest.mark.parametrize("slip", ["net", "/net", "override net"])
def test_an_entry_of_the_defaults_that_hydra_would_not_take_is_refused_with_the_right_one(own, slip):
    change(own / "model" / "mine.yaml", "override /net", slip)
    assert f"model/mine.yaml:4: `- {slip}: mine` must be `- override /net: mine`." in refused(own)


def test_all_slips_of_the_files_are_told_at_once(own):
    change(own / "model" / "mine.yaml", "override /net", "net")
    change(own / "model" / "mine.yaml", HEADER + "\n", "")
    (own / "run" / "mine.yaml").write_text("")
    assert "3 problems in the YAML files" in refused(own)


def test_an_option_of_the_model_file_that_is_not_there_is_named_with_file_and_line(own):
    change(own / "model" / "mine.yaml", "override /net: mine", "override /net: min")
    assert "model/mine.yaml:4: No net configuration 'min'. Did you mean mine?" in refused(own)


@pytest.mark.parametrize("typed", [[], ["net=mine"]])
def test_a_file_named_yml_is_found_and_its_new_name_told(own, typed):
    for name in ("mine.yml", "mine.YAML"):
        next((own / "net").glob("mine.*")).rename(own / "net" / name)
        assert f"there is {own}/net/{name}; rename it to mine.yaml." in refused(own, *typed)


def test_a_model_of_ones_own_without_its_folder_is_told_of_the_option():
    with pytest.raises(ConfigError, match=r"--config-dir <the folder that holds model/growth\.yaml>"):
        compose(["model=growth"])


def test_a_config_dir_one_folder_too_high_is_told_the_right_one(own):
    (own / "deep" / "model").mkdir(parents=True)
    (own / "deep" / "model" / "growth.yaml").touch()
    with pytest.raises(ConfigError, match=rf"There is {own}/deep/model/growth\.yaml: give --config-dir {own}/deep\. "):
        compose(["model=growth"], own)


def test_a_models_dir_one_folder_too_high_is_told_the_right_one(tmp_path):
    (tmp_path / "models" / "growth").mkdir(parents=True)
    (tmp_path / "models" / "growth" / "Equations.py").touch()
    with pytest.raises(ConfigError, match=rf"growth/Equations\.py: give MODELS_DIR={tmp_path}/models\. "):
        model_folder("growth", str(tmp_path))


def test_a_file_that_the_command_line_replaces_need_not_be_there(own):
    (own / "net" / "mine.yaml").unlink()
    assert compose(["model=mine", "net=brock_mirman"], own).config.net.layers


@pytest.mark.parametrize(("word", "read"), [("no", "false"), ("On", "true"), ("null", "nothing"), ("1", "a number")])
def test_a_name_that_yaml_reads_as_something_else_is_told_with_file_and_line(own, word, read):
    (own / "constants" / "mine.yaml").write_text(f"beta: 0.9\n{word}: 3\n")
    assert f"constants/mine.yaml:2: YAML reads `{word}` as {read}, not as a name. Write it in quotes" in refused(own)


def test_a_state_whose_name_yaml_reads_as_something_else_is_told(own):
    change(own / "variables" / "mine.yaml", "- name: K", "- name: no")
    assert "YAML reads `no` as false, not as a name" in refused(own)


WRONG = {
    "tabs": (b"layers:\n\t- hidden: {units: 3}\n", ["net/mine.yaml:2", "no tabs"]),
    "a key twice": (b"layers: []\nlayers: []\n", ["net/mine.yaml:2", "layers stands here a second time"]),
    "an open quote": (b"layers: 'x\n", ["net/mine.yaml", "quote not closed"]),
    "a list": (b"- hidden: {units: 3}\n", ["net/mine.yaml:1", "found a list"]),
    "a text": (b"layers\n", ["net/mine.yaml:1", "found a single value"]),
    "empty": (b"# later\n", ["net/mine.yaml is empty"]),
    "not text": (b"\xff\xfe\x00\x01", ["net/mine.yaml: the file is not text in UTF-8"]),
    "control characters": (b"layers: \x00\n", ["net/mine.yaml"]),
    "an anchor that is not there": (b"layers: *a\n", ["net/mine.yaml:1", "alias"]),
    "an anchor within itself": (b"layers: &a [*a]\n", ["net/mine.yaml", "itself"]),
    "a tag": (b"layers: !!python/object:os.system {}\n", ["tag"]),
    "a group that is nothing": (b"layers: null\n", ["net.layers"]),
    "nothing in the list": (b"layers:\n  -\n", ["net.layers[0]"]),
    "a header with a word too many": (b"# @package a b\nlayers: []\n", ["Too many components"]),
    "a value that is left open": (b"layers: ???\n", ["net.layers"]),
    "an interpolation to nothing": (b"layers: ${nothing.there}\n", ["nothing"]),
    "an interpolation of half": (b"layers: ${nothing\n", ["${nothing"]),
    "an interpolation in a circle": (b"layers: ${net.layers}\n", ["net.layers"]),
    "a variable of the environment that is not set": (b"layers: ${oc.env:NOT_SET}\n", ["NOT_SET"]),
    "a resolver that is not there": (b"layers: ${nope:1}\n", ["nope"]),
    "defaults that are not there": (b"defaults: [nope]\nlayers: []\n", ["nope"]),
    "a number beyond all": (b"layers:\n  - hidden: {units: " + b"9" * 5000 + b"}\n", ["5000 digits"]),
    "a deep tree": (b"layers: " + b"[" * 3000 + b"]" * 3000, ["net/mine.yaml"]),
}


@pytest.mark.parametrize(("content", "fragments"), WRONG.values(), ids=WRONG.keys())
def test_whatever_stands_in_a_file_has_one_clear_answer(own, content, fragments):
    (own / "net" / "mine.yaml").write_bytes(content)
    message = refused(own)
    for fragment in fragments:
        assert fragment in message
    assert len(message) < 600


def test_a_constant_has_any_name_that_python_can_read(own):
    (own / "constants" / "mine.yaml").write_text("β: 0.9\nconst: ${.β}\n", encoding="utf-8")
    constants = compose(["model=mine", "constants.β=0.8", "+constants.γ=2"], own).config.constants
    assert (constants["β"], constants["γ"]) == (0.8, 2)


@pytest.mark.parametrize("typed", ["\u00b5", "\u03bc"])
def test_letters_that_look_alike_are_one_name(own, typed):
    """The micro sign of a keyboard is what Python reads as a Greek mu."""
    (own / "constants" / "mine.yaml").write_text("constants:\n  \u00b5: 0.9\n", encoding="utf-8")
    assert compose(["model=mine", f"constants.{typed}=0.8"], own).config.constants == {"\u03bc": 0.8}
    change(own / "variables" / "mine.yaml", "- name: K", "- name: \u03d5")
    assert compose(["model=mine"], own).config.variables.states[0].name == "\u03c6"


def test_two_names_that_python_reads_as_one_are_refused(own):
    (own / "constants" / "mine.yaml").write_text("\u00b5: 0.9\n\u03bc: 0.8\n", encoding="utf-8")
    assert "Python reads two of these names as" in refused(own)


def test_files_that_a_mac_leaves_are_no_options(own):
    (own / "net" / "._mine.yaml").write_bytes(b"\x00\x05\x16")
    assert "._mine" not in refused(own, "net=min")


def test_a_name_of_a_model_alone_is_refused_with_the_line_to_type():
    with pytest.raises(ConfigError, match="Write model=brock_mirman, which chooses all of them"):
        compose(["MODEL_NAME=brock_mirman"])


@pytest.mark.parametrize("form", ["constants", "constants.constants"])
@pytest.mark.parametrize("model", ["brock_mirman", "bm1972"])
def test_a_constant_is_added_in_either_form(model, form):
    assert compose([f"model={model}", f"+{form}.gamma=2"]).config.constants["gamma"] == 2


def test_the_hydra_of_a_program_is_as_it_was_after_composing(tmp_path):
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    shutil.copytree(shipped.CONFIG, tmp_path / "theirs")
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(tmp_path / "theirs"), version_base="1.3", job_name="theirs"):
        HydraConfig.instance().set_config(hydra.compose("config", return_hydra_config=True))
        before = (GlobalHydra.instance().hydra, HydraConfig.instance().cfg)
        assert compose(["model=brock_mirman"]).config.MODEL_NAME == "brock_mirman"
        assert (GlobalHydra.instance().hydra, HydraConfig.instance().cfg) == before
        assert hydra.compose("config").MODEL_NAME == "bm1972"


def test_several_threads_can_compose_at_once():
    with ThreadPoolExecutor(4) as pool:
        seeds = pool.map(lambda seed: compose([f"seed={seed}"]).config.seed, range(8))
    assert list(seeds) == list(range(8))
