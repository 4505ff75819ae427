"""`deqn new <name> --states k,z --policies s`: a model folder from a template."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from deqn import shipped
from deqn.economy.new import new_model
from deqn.errors import DEQNError
from deqn.processes.programs import to_type


def main() -> None:
    """Writes what `sys.argv` asks for; ends the process."""
    here = "this checkout" if shipped.IN_CHECKOUT else "the folder you are in"
    parser = argparse.ArgumentParser(
        prog=sys.argv[0], description="Writes a model folder and its YAML files, which train."
    )
    parser.add_argument("name")
    parser.add_argument("--states", required=True, help="names, separated by commas")
    parser.add_argument("--policies", required=True, help="names, separated by commas")
    parser.add_argument(
        "--into", type=Path, help=f"a folder of your own that gets models/ and config/ (default: {here})"
    )
    arguments = parser.parse_args()
    into = arguments.into if arguments.into or shipped.IN_CHECKOUT else Path()
    states, policies = ([entry.strip() for entry in text.split(",")] for text in (arguments.states, arguments.policies))
    try:
        files = new_model(arguments.name, states, policies, into)
    except DEQNError as error:
        print(error.report, file=sys.stderr)
        sys.exit(error.exit_code)
    print("\n".join(f"wrote {path}" for path in files))
    own = f" --config-dir {shlex.quote(str(into / 'config'))}" if into else ""
    print(f"next: {to_type(sys.argv[0].removesuffix('new'))}check{own} model={arguments.name}")
