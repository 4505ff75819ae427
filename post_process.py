"""Post-processes a run: `USE_CONFIG_FROM_RUN_DIR=<run> python post_process.py STARTING_POINT=LATEST hydra.run.dir=<run>`.

The same as `deqn post`. See README.md.
"""

from deqn.__main__ import run

if __name__ == "__main__":
    run("post", "python post_process.py")
