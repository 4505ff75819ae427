"""One command from a fresh clone: makes the environment, then runs what was asked.

    python3 scripts/start.py train model=krusell_smith     train a model (arguments as for run_deepnet.py)
    python3 scripts/start.py test                          run the tests (arguments as for pytest)
    python3 scripts/start.py setup                         only make the environment

The environment is the folder .venv of the checkout, with the versions of constraints.txt. It is made once, and again when
pyproject.toml or constraints.txt have changed.
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python.exe" if os.name == "nt" else "python")
STAMP = os.path.join(VENV, "installed.txt")


def main():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return fail(
            "Python 3.11, 3.12 or 3.13 is needed; this is {}.{}. Run this script with one of them, for example "
            "python3.11 scripts/start.py".format(*sys.version_info[:2])
        )
    commands = {
        "train": [PYTHON, os.path.join(ROOT, "run_deepnet.py")],
        "test": [PYTHON, "-m", "pytest"],
        "setup": None,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        return fail("expected one of: {}.\n\n{}".format(", ".join(commands), __doc__))
    status = set_up()
    command = commands[sys.argv[1]]
    if status or command is None:
        return status
    return subprocess.call(command + sys.argv[2:], cwd=ROOT)


def set_up():
    """Makes .venv unless it is there and up to date; returns the exit status."""
    wanted = digest()
    if os.path.isfile(STAMP) and os.path.isfile(PYTHON):
        with open(STAMP) as file:
            if file.read() == wanted:
                return 0
    print(f"setting up {VENV} (once; a few minutes)", flush=True)
    if not os.path.isfile(PYTHON) and subprocess.call([sys.executable, "-m", "venv", VENV]):
        return fail("the environment could not be made. On Debian and Ubuntu: apt install python3-venv")
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    install = pip + ["-c", os.path.join(ROOT, "constraints.txt"), "-e", ROOT + "[ks,dev]"]
    if subprocess.call(install):
        return fail(
            "the packages could not be installed (see above). Without a connection to a package index, or behind "
            "a proxy, tell pip about it (PIP_INDEX_URL, HTTPS_PROXY) and run this again."
        )
    with open(STAMP, "w") as file:
        file.write(wanted)
    return 0


def digest():
    """Changes when the wanted packages do."""
    content = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            content.update(file.read())
    return content.hexdigest()


def fail(message):
    sys.stderr.write(message + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
