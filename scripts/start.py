"""One command from a fresh clone: makes the environment, then runs what was asked.

    python3 scripts/start.py train model=krusell_smith     train a model (arguments as for run_deepnet.py)
    python3 scripts/start.py post runs/first               figures and report of a run (arguments as for deqn post)
    python3 scripts/start.py test                          run the tests (arguments as for pytest)
    python3 scripts/start.py docs                          build the documentation, site/index.html
    python3 scripts/start.py setup                         only make the environment

The environment is the folder .venv of the checkout, with the versions of constraints.txt. It is made once, and again when
pyproject.toml or constraints.txt have changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python.exe" if os.name == "nt" else "python")
STAMP = os.path.join(VENV, "installed.txt")
DOCS_STAMP = os.path.join(VENV, "docs_installed.txt")
LOG = os.path.join(VENV, "install.log")

# what pip says -> what it means
REASONS = (
    (("No space left on device",), "the disk is full: the environment takes 2 GB, and more where PyTorch comes with CUDA."),
    (("Permission denied", "Read-only file system"), "the folder of the checkout cannot be written."),
    (
        ("CERTIFICATE_VERIFY_FAILED", "SSLError"),
        "the connection is refused for its certificate. Behind a proxy with a certificate of its own, set PIP_CERT to it.",
    ),
    (
        ("Name or service not known", "Temporary failure in name resolution", "getaddrinfo failed", "NewConnectionError",
         "ProxyError", "ConnectTimeoutError", "ReadTimeoutError", "Max retries exceeded", "Connection refused",
         "(from versions: none)"),
        "there is no connection to the package index. Behind a proxy, set HTTPS_PROXY; with an index or a folder of your own, "
        "set PIP_INDEX_URL or PIP_FIND_LINKS.",
    ),
    (
        ("No matching distribution found", "Could not find a version"),
        "a package of constraints.txt does not exist for this Python and platform in the package index that pip asks.",
    ),
    (("error: command", "Failed building wheel"), "a package had to be compiled and could not be."),
)  # fmt: skip


def main():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return fail(
            "Python 3.11, 3.12 or 3.13 is needed; this is {}.{}. Run this script with one of them, for example "
            "python3.11 scripts/start.py".format(*sys.version_info[:2])
        )
    commands = {
        "train": [PYTHON, os.path.join(ROOT, "run_deepnet.py")],
        "post": [PYTHON, "-m", "deqn", "post"],
        "test": [PYTHON, "-m", "pytest"],
        "docs": [PYTHON, "-m", "mkdocs", "build", "--strict", "--quiet"],
        "setup": None,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        return fail("expected one of: {}.\n\n{}".format(", ".join(commands), __doc__))
    status = set_up() or (sys.argv[1] == "docs" and install("[docs]", DOCS_STAMP))
    command = commands[sys.argv[1]]
    if status or command is None:
        return status
    status = run(command + sys.argv[2:], cwd=ROOT if sys.argv[1] in ("test", "docs") else None)
    if sys.argv[1] == "docs" and status == 0:
        print(
            "site/index.html; its search needs a server: python3 -m http.server --directory site, then localhost:8000"
        )
    return status


def run(command, cwd):
    """Runs a command to its end; Ctrl-C is its business."""
    process = subprocess.Popen(command, cwd=cwd)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def set_up():
    """Makes .venv unless it is there and up to date; returns the exit status."""
    if os.path.isfile(PYTHON) and up_to_date(STAMP):
        return 0
    print(f"setting up {VENV} (once; one to ten minutes, depending on the connection)", flush=True)
    if not os.path.isdir(VENV):
        made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True)
        if made.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            return fail(
                f"{VENV} could not be made: {last_line(made.stdout + made.stderr)}\n"
                "On Debian and Ubuntu, Python's venv is a package of its own: apt install python3-venv"
            )
    version = subprocess.run(
        [PYTHON, "-c", "import pip, sys; print(*sys.version_info[:2])"], capture_output=True, text=True
    ) if os.path.isfile(PYTHON) else None  # fmt: skip
    if version is None or version.stdout.split() not in (["3", "11"], ["3", "12"], ["3", "13"]):
        return fail(
            f"{VENV} exists, but is no environment of Python 3.11 to 3.13 with pip. Remove it and run this again."
        )
    return install("[ks,reference,dev]", STAMP)


def install(extras, stamp):
    """Installs the package with these extras, unless `stamp` says that it is done; returns the exit status."""
    if up_to_date(stamp):
        return 0
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    with open(LOG, "w") as log:
        status = subprocess.call(
            pip + ["-c", os.path.join(ROOT, "constraints.txt"), "-e", ROOT + extras], stdout=log, stderr=log
        )
    if status:
        return fail(f"the packages could not be installed: {reason()}\nThe whole output is in {LOG}")
    with open(stamp, "w") as file:
        file.write(digest())
    return 0


def up_to_date(stamp):
    if not os.path.isfile(stamp):
        return False
    with open(stamp) as file:
        return file.read() == digest()


def reason():
    """What pip's output means, and the line that says it."""
    with open(LOG, errors="replace") as log:
        output = log.read()
    line = last_line(output)
    for marks, words in REASONS:
        if any(mark in output for mark in marks):
            return f"{words}\n{line}"
    return line


def last_line(output):
    """The last line that reports an error, or the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if "Error" in line]
    return (errors or lines or ["no output"])[-1]


def digest():
    """Changes when the wanted packages do, or the checkout is moved."""
    content = hashlib.sha256(ROOT.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            content.update(file.read())
    return content.hexdigest()


def fail(message):
    sys.stderr.write(message + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
