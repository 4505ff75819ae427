"""`--help` of the commands that Hydra would answer with a page of its own; printed before anything slow is imported."""

from __future__ import annotations

_DOCS = """\
commands: deqn train, sweep, check, post, compare, new, port, list, info; deqn --help says what each does
docs: docs/index.md; docs/reference/configuration.md: every key; docs/tutorials/writing_a_model.md"""

_OWN = """\
of your own:
  --config-dir my_config    a folder with YAML files that join the groups: my_config/net/mine.yaml is net=mine
  MODELS_DIR=my_models      a folder with model folders; the shipped ones stay available
  --from ~/DEQN_library     a folder of the TensorFlow library, as it is: docs/howto/from_tensorflow.md"""

_OVERRIDES = """\
what to change:
  model=krusell_smith             the model with all its YAML files (deqn list: which there are)
  preset=smoke                    its size and length: smoke, teaching, default, production
  net=bm1972                      another file of one group: constants, net, optimizer, run, variables
  constants.beta=0.95             a constant; +constants.gamma=2 adds one
  run.N_episodes=100              run.N_sim_batch, run.N_episode_length, run.N_minibatch_size, ...
  optimizer.learning_rate=1e-4    optimizer.clipvalue, optimizer.optimizer, ...
  net.layers.0.hidden.units=64    a list is counted from 0
  seed=1  device=cpu              any other key of the configuration
  hydra.run.dir=runs/first        the run folder; otherwise runs/<model>/<date>/<time>"""

_RESUME = """\
to go on:
  {program} hydra.run.dir=runs/first STARTING_POINT=LATEST run.N_episodes=200
  with the configuration of that run, changed as typed; N_episodes is the total. STARTING_POINT: LATEST or ckpt-90.
  a new run with its configuration: USE_CONFIG_FROM_RUN_DIR=runs/first {program} hydra.run.dir=runs/second"""

TRAIN = f"""\
Trains a model, until its equilibrium conditions hold on simulated states.

usage: {{program}} [options] key=value ...

{_OVERRIDES}

options:
  --check           links the model and tries it on a few states; trains and writes nothing
  --strict          exit status 6 where the run is not judged to have solved its model
  -m, --multirun    a sweep, a run for each value: -m seed=1,2 optimizer.learning_rate=1e-3,3e-4
  --cfg job         prints the configuration and ends
  --hydra-help      Hydra's own options

{_OWN}

{_RESUME}

{_DOCS}
"""

CHECK = f"""\
Links a model and tries it on a few states; trains and writes nothing.

usage: {{program}} [options] key=value ...

{_OVERRIDES}

{_OWN}

{_DOCS}
"""

POST = f"""\
Simulates the policy of a run, measures its errors, draws figures: in <run folder>/post/<date>_<time>/.

usage: {{program}} runs/first [key=value ...]
       {{program}} --script my_post_process.py runs/first
       USE_CONFIG_FROM_RUN_DIR=runs/first {{program}} hydra.run.dir=runs/first [key=value ...]

The variable of the environment names the run whose configuration is taken; without it, it is that of hydra.run.dir, for which the
folder alone stands. --script runs a script of the TensorFlow library's users in place of all this: docs/howto/from_tensorflow.md.

keys:
  STARTING_POINT=LATEST              the checkpoint: LATEST, or a name such as ckpt-90
  N_simulated_batch_size=100         trajectories
  N_simulated_episode_length=1000    periods of each
  DISABLE_SHOCKS=true                Globals.DISABLE_SHOCKS, which the model's Dynamics.py reads
  seed=1  device=cpu                 any other key of the configuration
  hydra.run.dir=runs/first           where post/ and the simulated_*.csv go

{_DOCS}
"""

PAGES = {"train": TRAIN, "check": CHECK, "post": POST}


def page(command: str, program: str) -> str:
    """What `<program> --help` prints.

    Args:
        program: as it was typed: `python run_deepnet.py`, `deqn train`.
    """
    return PAGES[command].format(program=program)
