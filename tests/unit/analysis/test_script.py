"""Scripts written for the TensorFlow library, on a run of this one."""

from __future__ import annotations

import sys

import pytest
import torch

import deqn
from deqn.analysis.run import Run
from deqn.analysis.script import Script
from deqn.configuration.compose import compose
from deqn.errors import ModelError
from tests.library import library


@pytest.fixture
def run_script(tmp_path):
    """Runs the text of a script on an untrained model of the small folder; gives the run and what it has put into `sys.out`."""

    def run(text, **files):
        path = tmp_path / "scripts" / "my_post_process.py"
        path.parent.mkdir()
        for name, content in {"my_post_process": text, **files}.items():
            path.with_name(f"{name}.py").write_text(content)
        model = deqn.Model(compose(["seed=1"], library=library(tmp_path / "lib")).config)
        found = Run(model, tmp_path, model.initial_states(16))
        sys.out = {}  # type: ignore[attr-defined]
        try:
            Script(path, ["key=value"], lambda: found)()
            return found, sys.out  # type: ignore[attr-defined]
        finally:
            del sys.out  # type: ignore[attr-defined]

    return run


def test_all_names_of_the_library_are_those_of_the_run(run_script):
    run, out = run_script(
        "import sys, importlib\nimport Parameters, State, PolicyState, Definitions, Globals, Graphs\n"
        "from Parameters import *\n"
        "out = sys.out\nx = Parameters.starting_state\np = Parameters.policy(x)\n"
        "Equations = importlib.import_module(Parameters.MODEL_NAME + '.Equations')\n"
        "import growth.Dynamics as Dynamics\n"
        "out.update(alpha=alpha, euler=Equations.equations(x, p)['euler'], C=Definitions.C(x, p), K=State.K(x))\n"
        "out.update(s=PolicyState.s(p), probs=Dynamics.shock_probs, argv=sys.argv[1:], name=__name__, log=Parameters.LOG_DIR)\n"
        "out['hooks'] = importlib.import_module(MODEL_NAME + '.Hooks').cycle_hook\n"
    )
    states, model = run.starting_state, run.model
    policies = model.policy(states)
    assert (out["alpha"], out["argv"], out["name"], out["log"]) == (0.36, ["key=value"], "__main__", str(run.path))
    torch.testing.assert_close(out["euler"], model.equations(states, policies)["euler"])
    torch.testing.assert_close(out["C"], model.Definitions.C(states, policies))
    assert out["probs"].tolist() == [0.5, 0.5]
    assert callable(out["hooks"])
    assert not out["s"].requires_grad


def test_run_episode_and_do_random_step_take_the_models_dynamics(run_script):
    run, out = run_script(
        "import sys, torch\nimport Parameters, Globals\nfrom Graphs import run_episode, do_random_step\n"
        "Globals.DISABLE_SHOCKS = True\n"
        "start = Parameters.starting_state\n"
        "sys.out.update(episode=run_episode(start[None].tile([3, 1, 1])), step=do_random_step(start), start=start)\n"
    )
    model, states = run.model, run.starting_state
    for period in out["episode"]:
        torch.testing.assert_close(period, states)
        states = model.step(states)
    torch.testing.assert_close(out["step"], out["episode"][1])


def test_what_a_script_sets_holds_for_the_models_files_and_is_its_own(run_script):
    run, _ = run_script(
        "import Parameters, Globals\nParameters.initialize_each_episode = False\nParameters.alpha = 0.5\nGlobals.MINE = 3\n"
    )
    model = run.model
    assert model.Parameters.initialize_each_episode is False
    assert model.Globals.MINE == 3
    x = torch.ones(1, 2)
    assert float(model.Definitions.Y(x, x)) == pytest.approx(torch.e, rel=1e-6)
    assert model.Parameters.alpha == 0.5


def test_modules_beside_the_script_see_the_names_too(run_script):
    _, out = run_script(
        "import sys\nimport Parameters\nimport tables\nsys.out['n'] = tables.n()\n",
        tables="import Parameters\ndef n():\n    return len(Parameters.states)\n",
    )
    assert out == {"n": 2}


def test_tensorflow_and_old_names_of_numpy_are_there_for_scripts_and_their_modules(run_script):
    run, out = run_script(
        "import sys\nimport numpy as np\nimport tensorflow as tf\nimport Parameters\nimport frames\n"
        "from Graphs import run_episode\ntf.config.experimental_run_functions_eagerly(True)\n"
        "s0 = tf.math.reduce_mean(Parameters.starting_state, axis=0, keepdims=True)\n"
        "episode = run_episode(tf.tile(tf.expand_dims(s0, axis=0), [np.int(4), 1, 1]))\n"
        "sys.out.update(shape=episode.shape, table=frames.of(episode))\n",
        frames="import pandas as pd\nimport tensorflow as tf\nimport State\n"
        "def of(x):\n    return pd.DataFrame({'K': State.K(tf.reshape(x, [4, 2]))})\n",
    )
    assert out["shape"] == (4, 1, 2)
    assert out["table"].K[0] == pytest.approx(float(run.starting_state[:, 0].mean()))


def test_nothing_is_left_behind(run_script):
    before, path = dict(sys.modules), sys.path[:]
    run_script("import sys\nimport Parameters\ndel sys.modules['Parameters']\n")
    assert not {"Parameters", "State", "Graphs", "growth", "growth.Equations"} & sys.modules.keys()
    assert sys.modules["__main__"] is before["__main__"]
    assert sys.path == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import Parameters\n\nParameters.nothing\n",
            r"my_post_process.py:3: AttributeError: Parameters has no 'nothing'",
        ),
        ("import State\nx = (\n", r"my_post_process.py:2: SyntaxError"),
        ("import sys\nsys.exit('no data')\n", r"my_post_process.py ended with status no data"),
    ],
)
def test_what_fails_in_a_script_is_said_with_its_line(run_script, text, message):
    with pytest.raises(ModelError, match=message):
        run_script(text)


def test_a_script_may_end_itself(run_script):
    run_script("import sys\nimport Parameters\nsys.exit()\n")


def test_the_run_is_asked_for_when_the_script_first_imports_a_name(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import os\nos.environ['DEQN_TEST_RUN'] = 'set'\nimport Parameters\n")
    seen = []

    def load():
        import os

        seen.append(os.environ.pop("DEQN_TEST_RUN"))
        return Run(deqn.Model(compose(library=library(tmp_path / "lib")).config), tmp_path)

    Script(path, [], load)()
    assert seen == ["set"]
