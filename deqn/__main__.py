"""`python -m deqn new <name> --states k,z --policies s`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deqn.errors import DEQNError
from deqn.new import new_model


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deqn")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="write a model folder and its YAML files from a template")
    new.add_argument("name")
    new.add_argument("--states", required=True, help="names, separated by commas")
    new.add_argument("--policies", required=True, help="names, separated by commas")
    new.add_argument(
        "--into", type=Path, help="a folder of your own that gets models/ and config/ (default: this checkout)"
    )
    arguments = parser.parse_args()
    states, policies = ([entry.strip() for entry in text.split(",")] for text in (arguments.states, arguments.policies))
    try:
        files = new_model(arguments.name, states, policies, arguments.into)
    except DEQNError as error:
        print(error.report, file=sys.stderr)
        return error.exit_code
    print("\n".join(f"wrote {path}" for path in files))
    own = f" --config-dir {arguments.into / 'config'} MODELS_DIR={arguments.into / 'models'}" if arguments.into else ""
    print(f"next: python run_deepnet.py model={arguments.name}{own} --check")
    return 0


if __name__ == "__main__":
    sys.exit(main())
