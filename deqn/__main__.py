"""`deqn <command>`, `python -m deqn <command>`: everything that is done from a command line."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
from pathlib import Path

from deqn import __version__
from deqn.commands.help import PAGES, page
from deqn.errors import suggestion

# command -> what it does; its `main()` is in the file of the same name in deqn/commands/
COMMANDS = {
    "train": "train a model: deqn train model=krusell_smith optimizer.learning_rate=1e-4",
    "sweep": "many runs, several at a time: deqn sweep model=bm1972 seed=1,2,3 optimizer.learning_rate=1e-3,3e-4",
    "post": "simulate a finished run, measure its errors, draw it: deqn post hydra.run.dir=runs/first",
    "compare": "runs of one economy side by side: deqn compare runs/first runs/second --tolerance 0.001",
    "check": "link a model and try it, train nothing: deqn check model=brock_mirman",
    "new": "write a model folder and its YAML files from a template: deqn new mymodel --states k,z --policies s",
    "port": "rewrite a model folder of the TensorFlow library to PyTorch: deqn port ~/DEQN_library/dice",
    "list": "the models that there are, a line each",
    "info": "one model: what is solved, how, how right: deqn info brock_mirman",
}
HELP = f"""\
Deep Equilibrium Nets: solve economic models by training a network on their equilibrium conditions.

usage: deqn <command> [arguments]

{chr(10).join(f"  {name:<7} {text}" for name, text in COMMANDS.items())}

`deqn <command> --help` tells more. Models and YAML files of your own: --config-dir my_config MODELS_DIR=my_models.
In a checkout, python run_deepnet.py is deqn train, and python post_process.py is deqn post.
deqn --version prints the version. Shell completion: eval "$(deqn -sc install=bash)"
"""


def main() -> None:
    """The command line of `sys.argv`; ends the process."""
    module = Path(sys.argv[0]).name == "__main__.py"
    program = "python -m deqn" if module else "deqn"
    command, *arguments = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help", "help"):
        print(HELP, end="")
    elif command in ("-V", "--version"):
        print(f"deqn {__version__}")
    elif command in ("-sc", "--shell-completion"):
        _complete(program, arguments)
    elif command in COMMANDS:
        sys.argv = [f"{program} {command}", *arguments]
        run(command, sys.argv[0])
    else:
        if "=" in command or command in ("-m", "--multirun"):
            hint = f" Did you mean: {program} train {' '.join(sys.argv[1:])}"
        else:
            hint = suggestion(command, COMMANDS)
        print(f"deqn has no command {command!r}.{hint}\nKnown: {', '.join(COMMANDS)}.", file=sys.stderr)
        sys.exit(2)


def run(command: str, program: str) -> None:
    """One command with the arguments of `sys.argv`; ends the process.

    Args:
        program: what was typed in front of them, for its page of help.
    """
    if command in PAGES and {"-h", "--help"} & {*sys.argv[1:]}:
        print(page(command, program), end="")
        return
    atexit.register(
        gc.freeze
    )  # at its end Python would look through all of PyTorch for garbage once more: .6 to 1.1 seconds
    try:
        importlib.import_module(f"deqn.commands.{command}").main()
    except KeyboardInterrupt:  # while it is imported: a command that has begun says itself what stands where
        print("stopped before anything was done", file=sys.stderr)
        sys.exit(130)


def _complete(program: str, arguments: list[str]) -> None:
    """Hydra's shell completion, behind the name of a command; Hydra itself sees the words after it.

    Args:
        arguments: `install=bash`, or `query=bash` with what has been typed in COMP_LINE.
    """
    typed = os.environ.get("COMP_LINE", "").split(" ")
    if any(argument.startswith("query=") for argument in arguments):
        if len(typed) <= 2:
            print(" ".join(name for name in COMMANDS if name.startswith(typed[-1] if len(typed) == 2 else "")))
            return
        if typed[1] not in ("train", "post", "check"):
            return
        os.environ["COMP_LINE"] = " ".join([typed[0], *typed[2:]])
    sys.argv = [program, "-sc", *arguments]
    importlib.import_module("deqn.commands.train").main()


if __name__ == "__main__":
    main()
