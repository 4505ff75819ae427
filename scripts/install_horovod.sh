#!/usr/bin/env bash
# Builds and installs Horovod for the PyTorch of an environment; see --help.
set -euo pipefail

usage() {
    cat <<'END'
Builds and installs Horovod 0.28.1 for the PyTorch that is already in the environment, then tests it with two processes.

    scripts/install_horovod.sh            CPU tensors, Gloo: needs no MPI and no CUDA
    scripts/install_horovod.sh --mpi      with MPI as well (horovodrun --mpi, mpirun)
    scripts/install_horovod.sh --nccl     GPU tensors by NCCL; needs the CUDA toolkit, NCCL and a CUDA build of PyTorch
    scripts/install_horovod.sh --help

Options can be combined. The published 0.28.1 asks for C++14 and distutils, which PyTorch >= 2.1 and Python >= 3.12 refuse:
five lines of the sources are changed. PyTorch and setuptools of the environment stay as they are.

Needed: PyTorch, a C++17 compiler, make, the headers of Python, and cmake >= 3.13 (otherwise taken from pip for the build).

Environment variables:
    PYTHON              whose environment (default: .venv/bin/python of the checkout if there is one, else python3)
    HOROVOD_WHEEL_DIR   where built wheels are kept (default: ${XDG_CACHE_HOME:-~/.cache}/deqn/horovod), by versions of PyTorch
                        and Python and by options. With a kept wheel the second call takes seconds and no network.
    CXX, MAKEFLAGS      compiler and make's flags (default: as many jobs as cores)
    HOROVOD_CUDA_HOME, HOROVOD_NCCL_HOME, HOROVOD_NCCL_LINK, ...   for --nccl, as in Horovod's documentation

Without network: put horovod-0.28.1.tar.gz into HOROVOD_WHEEL_DIR, and let pip find setuptools<70, wheel, packaging, cloudpickle,
psutil, pyyaml, cffi and pycparser (PIP_FIND_LINKS).
END
}

VERSION=0.28.1
SHA256=92a43f5a94c43907a56805bad15f19700c62ffc83b7ca483f9e104e229f67ef0
REVISION=1 # of the changes below: a new number builds anew
DEPENDENCIES=(cloudpickle psutil pyyaml packaging cffi)

say() { printf '%s\n' "install_horovod: $*"; }
die() {
    printf '%s\n' "install_horovod: $*" >&2
    exit 1
}

with_mpi=0
with_nccl=0
for argument in "$@"; do
    case $argument in
        --mpi) with_mpi=1 ;;
        --nccl) with_nccl=1 ;;
        -h | --help) usage && exit 0 ;;
        *) die "unknown option $argument; there are --mpi, --nccl and --help." ;;
    esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
constraints=$root/constraints.txt
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ ! -x "$root/.venv/bin/python" ] || PYTHON=$root/.venv/bin/python
fi
wheels=${HOROVOD_WHEEL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/deqn/horovod}
mkdir -p "$wheels" || die "the folder of wheels $wheels cannot be made; set HOROVOD_WHEEL_DIR."
wheels=$(cd "$wheels" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1

# --- what is there ------------------------------------------------------------------------------------------------------------

command -v "$PYTHON" >"$work/out" || die "there is no $PYTHON. Set PYTHON to the python of the environment."
"$PYTHON" -m pip --version >"$work/out" 2>&1 || die "$PYTHON has no pip: $PYTHON -m ensurepip"
# the name of the kept wheel: whatever makes another binary
cat >"$work/key.py" <<'END'
import os, sys, sysconfig, torch
parts = ["torch" + torch.__version__, sys.implementation.cache_tag, sysconfig.get_platform()]
print("-".join(parts + sys.argv[1:]).replace(os.sep, "_"))
END
options=(gloo)
[ $with_mpi = 0 ] || options+=(mpi)
[ $with_nccl = 0 ] || options+=(nccl)
key=$("$PYTHON" "$work/key.py" "${options[@]}" 2>"$work/err") ||
    die "PyTorch cannot be imported by $PYTHON ($(tail -n 1 "$work/err")). Install it first: python3 scripts/start.py setup"
versions() {
    "$PYTHON" -c 'import importlib.metadata as m, torch
names = {d.metadata["Name"]: d.version for d in m.distributions()}
print("torch", torch.__version__, "setuptools", names.get("setuptools"))' 2>"$work/err"
}
versions=$(versions)
kept=$wheels/$VERSION-$REVISION-$key

check_compiler() {
    local how="Debian, Ubuntu: apt install build-essential; conda: conda install cxx-compiler make; or set CXX."
    local candidate
    if [ -z "${CXX:-}" ]; then
        for candidate in c++ g++ clang++; do
            if command -v $candidate >"$work/out"; then
                CXX=$candidate
                break
            fi
        done
    fi
    [ -n "${CXX:-}" ] || die "there is no C++ compiler. $how"
    export CXX
    printf '#include <optional>\nint main() { std::optional<int> x; if constexpr (true) return x.value_or(0); }\n' >"$work/probe.cc"
    # shellcheck disable=SC2086 # CXX may hold a launcher and flags
    $CXX -std=c++17 "$work/probe.cc" -o "$work/probe" >"$work/err" 2>&1 ||
        die "$CXX does not compile C++17 ($(grep -m 1 . "$work/err" || true)). $how"
    command -v make >"$work/out" || die "there is no make. $how"
    local include
    include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] || die "the headers of Python are missing ($include/Python.h). Debian, Ubuntu: apt install python3-dev"
}

check_mpi() {
    command -v mpicxx >"$work/out" || command -v mpic++ >"$work/out" ||
        die "--mpi: there is no mpicxx. Debian, Ubuntu: apt install libopenmpi-dev openmpi-bin; on a cluster: load its MPI module."
}

check_nccl() {
    local home include includes=()
    home=$("$PYTHON" -c 'import torch
from torch.utils.cpp_extension import CUDA_HOME
print(CUDA_HOME or "" if torch.version.cuda else "none")')
    [ "$home" != none ] || die "--nccl: the PyTorch of $PYTHON is built without CUDA. Install a CUDA build of it first."
    home=${HOROVOD_CUDA_HOME:-$home}
    [ -n "$home" ] || die "--nccl: there is no CUDA toolkit (nvcc). Install the version of PyTorch's CUDA, or set CUDA_HOME."
    export CUDA_HOME=$home HOROVOD_CUDA_HOME=$home
    for include in "$home/include" "${HOROVOD_NCCL_HOME:+$HOROVOD_NCCL_HOME/include}" "${HOROVOD_NCCL_INCLUDE:-}"; do
        [ -z "$include" ] || includes+=("-I$include")
    done
    printf '#include <nccl.h>\n' >"$work/nccl.cc"
    # shellcheck disable=SC2086
    $CXX "${includes[@]}" -E "$work/nccl.cc" >"$work/out" 2>&1 ||
        die "--nccl: nccl.h is not found. Debian, Ubuntu: apt install libnccl-dev; or set HOROVOD_NCCL_HOME."
}

# --- build --------------------------------------------------------------------------------------------------------------------

# the tools of the build go to a folder of their own, ahead of the environment's on the path of Python
pip_tools() {
    "$PYTHON" -m pip install -q --target "$work/tools" -c "$constraints" "$@" >"$work/err" 2>&1 ||
        die "pip could not get $*: $(grep -m 1 ERROR "$work/err" || tail -n 1 "$work/err")"
}

find_cmake() {
    if cmake --version >"$work/out" 2>&1 &&
        "$PYTHON" -c 'import re, sys; sys.exit([*map(int, re.findall(r"\d+", sys.argv[1])[:2])] < [3, 13])' "$(head -n 1 "$work/out")"; then
        HOROVOD_CMAKE=$(command -v cmake)
    else
        say "there is no cmake >= 3.13; taking pip's for the build"
        ("$PYTHON" -m pip install -q --target "$work/cmake" cmake) >"$work/err" 2>&1 ||
            die "there is no cmake >= 3.13, and pip could not get one ($(grep -m 1 ERROR "$work/err" || tail -n 1 "$work/err")). \
Debian, Ubuntu: apt install cmake; conda: conda install cmake"
        HOROVOD_CMAKE=$work/cmake/cmake/data/bin/cmake
        "$HOROVOD_CMAKE" --version >"$work/out" 2>&1 || die "pip's cmake does not run. Debian, Ubuntu: apt install cmake"
    fi
    export HOROVOD_CMAKE
}

has_hash() {
    "$PYTHON" -c 'import hashlib, sys
sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' "$1" "$SHA256"
}

fetch() {
    local archive=horovod-$VERSION.tar.gz
    if [ -f "$wheels/$archive" ]; then
        if has_hash "$wheels/$archive"; then
            return
        fi
        say "$wheels/$archive has another sha256 than expected; fetching it again"
        rm "$wheels/$archive"
    fi
    say "fetching $archive"
    printf 'horovod==%s --hash=sha256:%s\n' "$VERSION" "$SHA256" >"$work/source.txt"
    # pip compares the hash before it runs anything of the archive (setup.py, for the metadata)
    if ! PYTHONPATH=$tools_path "$PYTHON" -m pip download --no-deps --no-binary horovod --no-build-isolation --require-hashes \
        -d "$work/source" -r "$work/source.txt" >"$work/err" 2>&1; then
        if grep -q "DO NOT MATCH THE HASHES" "$work/err"; then
            die "the downloaded $archive has another sha256 than expected, and is not used. $(grep -m 1 "Got" "$work/err" | xargs)"
        fi
        die "$archive could not be fetched: $(grep -m 1 ERROR "$work/err" || tail -n 1 "$work/err")"
    fi
    has_hash "$work/source/$archive" || die "the downloaded $archive has another sha256 than expected, and is not used."
    cp "$work/source/$archive" "$wheels/.$archive.$$"
    mv "$wheels/.$archive.$$" "$wheels/$archive"
}

patch_sources() {
    cat >"$work/patch.py" <<'END'
import sys
CHANGES = [
    # PyTorch >= 2.1 needs C++17
    ("CMakeLists.txt", "set(CMAKE_CXX_STANDARD 14)", "set(CMAKE_CXX_STANDARD 17)"),
    ("horovod/torch/CMakeLists.txt", "set(CMAKE_CXX_STANDARD 14)", "set(CMAKE_CXX_STANDARD 17)"),
    # Python >= 3.12 has no distutils (here and in the last one)
    ("horovod/torch/CMakeLists.txt", "from distutils.sysconfig import get_python_inc; print(get_python_inc())",
     "import sysconfig; print(sysconfig.get_path('include'))"),
    # a CUDA build of PyTorch needs the CUDA toolkit here with --nccl only
    ("cmake/Modules/FindPytorch.cmake", "print(True if ((torch.version.cuda is not None) and (CUDA_HOME is not None)) else False)",
     "import os; print(bool(torch.version.cuda and CUDA_HOME and os.environ.get('HOROVOD_GPU_OPERATIONS')))"),
    ("horovod/runner/js_run.py", "from distutils.spawn import find_executable", "from shutil import which as find_executable"),
]
for name, old, new in CHANGES:
    path = sys.argv[1] + "/" + name
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.count(old) != 1:
        sys.exit(f"{name}: expected {old!r} once, found it {text.count(old)} times")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))
END
    "$PYTHON" "$work/patch.py" "$1" || die "the sources could not be changed."
}

build() {
    check_compiler
    [ $with_mpi = 0 ] || check_mpi
    [ $with_nccl = 0 ] || check_nccl
    find_cmake
    tools_path=$work/tools${PYTHONPATH:+:$PYTHONPATH}
    pip_tools "setuptools>=64,<70" wheel packaging
    fetch
    tar -xzf "$wheels/horovod-$VERSION.tar.gz" -C "$work"
    patch_sources "$work/horovod-$VERSION"

    # settings of another build would not be in the name of the wheel
    unset HOROVOD_GPU HOROVOD_GPU_OPERATIONS HOROVOD_GPU_ALLREDUCE HOROVOD_GPU_ALLGATHER HOROVOD_GPU_BROADCAST HOROVOD_GPU_ALLTOALL
    unset HOROVOD_GPU_REDUCESCATTER HOROVOD_CPU_OPERATIONS HOROVOD_LOCAL_VERSION HOROVOD_SKIP_COMPILE HOROVOD_DEBUG
    unset HOROVOD_WITH_MPI HOROVOD_WITHOUT_MPI HOROVOD_WITHOUT_GLOO HOROVOD_WITHOUT_PYTORCH HOROVOD_WITH_TENSORFLOW HOROVOD_WITH_MXNET
    export HOROVOD_WITH_PYTORCH=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_GLOO=1
    if [ $with_mpi = 1 ]; then export HOROVOD_WITH_MPI=1; else export HOROVOD_WITHOUT_MPI=1; fi
    [ $with_nccl = 0 ] || export HOROVOD_GPU_OPERATIONS=NCCL
    MAKEFLAGS=${MAKEFLAGS:--j$("$PYTHON" -c 'import os; print(os.cpu_count() or 1)')}
    export MAKEFLAGS CMAKE_GENERATOR="Unix Makefiles"
    export CMAKE_POLICY_VERSION_MINIMUM=3.5 # cmake >= 4 refuses the bundled Gloo otherwise

    local log=$kept.log
    say "building for $versions (about four minutes on two cores); log: $log"
    if ! PYTHONPATH=$tools_path "$PYTHON" -m pip wheel -v --no-build-isolation --no-deps --use-pep517 --no-cache-dir \
        -w "$work/wheel" "$work/horovod-$VERSION" >"$log" 2>&1; then
        grep -n -i -E 'error|not found' "$log" | head -n 20 >&2 || true
        die "the build failed; the lines above are from $log"
    fi
    # the dependencies are kept beside the wheel, for a repeat without network
    "$PYTHON" -m pip wheel -q -w "$work/wheel" -c "$constraints" "${DEPENDENCIES[@]}" >"$work/err" 2>&1 ||
        die "pip could not get Horovod's dependencies: $(grep -m 1 ERROR "$work/err" || tail -n 1 "$work/err")"
    rm -rf "$kept.$$" && mkdir "$kept.$$" && cp "$work"/wheel/*.whl "$kept.$$"
    rm -rf "$kept" && mv "$kept.$$" "$kept" # at once: a broken-off build leaves no half folder
}

# --- install ------------------------------------------------------------------------------------------------------------------

if compgen -G "$kept/horovod-*.whl" >"$work/out"; then
    say "taking the kept wheel in $kept"
else
    build
fi
install=("$PYTHON" -m pip install -q -c "$constraints")
"${install[@]}" --no-index --find-links "$kept" "${DEPENDENCIES[@]}" >"$work/err" 2>&1 ||
    "${install[@]}" "${DEPENDENCIES[@]}" || die "Horovod's dependencies could not be installed."
"${install[@]}" --no-index --no-deps --force-reinstall "$kept"/horovod-*.whl || die "the wheel could not be installed."
[ "$(versions)" = "$versions" ] || die "the environment has changed: $versions before, $(versions) now."

# --- test ---------------------------------------------------------------------------------------------------------------------

cat >"$work/smoke.py" <<'END'
import sys
import horovod.torch as hvd
import torch
hvd.init()
assert hvd.size() == 2, f"{hvd.size()} processes instead of 2"
for option in sys.argv[1:]:
    assert getattr(hvd, option + "_built")(), f"Horovod was built without {option}"
mean = hvd.allreduce(torch.full((1000,), float(hvd.rank()), dtype=torch.float64), op=hvd.Average)
assert bool((mean == 0.5).all()), f"the average of 0 and 1 came out as {mean[0].item()}"
print(f"process {hvd.rank()} of {hvd.size()}: the average is right", flush=True)
END
# horovodrun in a session of its own, ended after the time limit
cat >"$work/limit.py" <<'END'
import os, signal, subprocess, sys
process = subprocess.Popen(sys.argv[2:], start_new_session=True)
try:
    sys.exit(process.wait(timeout=float(sys.argv[1])))
except subprocess.TimeoutExpired:
    print(f"no end after {sys.argv[1]} s", flush=True)
    process.terminate()  # horovodrun then ends its workers
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    sys.exit(124)
END
horovodrun=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')/horovodrun
[ -x "$horovodrun" ] || horovodrun=$(command -v horovodrun) || die "horovodrun is not in the folder of $PYTHON, nor on PATH."
python=$("$PYTHON" -c 'import sys; print(sys.executable)')
if ! (cd "$work" && OMP_NUM_THREADS=1 "$PYTHON" limit.py 120 \
    "$horovodrun" --gloo -np 2 -H localhost:2 "$python" smoke.py "${options[@]}") >"$work/smoke.log" 2>&1; then
    cat "$work/smoke.log" >&2
    die "Horovod is installed, but two processes on this machine did not average a tensor (above). If they did not find each other, \
name the network interface: HOROVOD_GLOO_IFACE=lo. If the library does not load, remove $kept and call again."
fi
say "two processes averaged a tensor. Installed for $versions: $horovodrun"
