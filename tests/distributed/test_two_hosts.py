"""Two network namespaces as two machines: `torchrun` on both trains one model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, assert_same, plain_environment
from tests.distributed.launches import last, launch

ADDRESSES = {"one": "10.77.0.1", "two": "10.77.0.2"}
OPTIONS = {
    "static": {
        host: ["--master-addr", "10.77.0.1", "--master-port", "29500", "--node-rank", str(rank)]
        for rank, host in enumerate(ADDRESSES)
    },
    "c10d": {
        host: [
            "--rdzv-backend",
            "c10d",
            "--rdzv-id",
            "any",
            "--rdzv-endpoint",
            "10.77.0.1:29500",
            "--local-addr",
            address,
        ]
        for host, address in ADDRESSES.items()
    },
}
OPTIONS["c10d"]["one"] += ["--rdzv-conf", "is_host=1"]


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, str]]:
    """Names of two namespaces, joined by a virtual cable."""
    names = {host: f"deqn-{os.getpid()}-{host}" for host in ADDRESSES}
    one, two = names.values()
    cable = f"ip link add veth-one netns {one} type veth peer name veth-two netns {two}"
    plugs = [
        f"ip -n {names[host]} {words}"
        for host, address in ADDRESSES.items()
        for words in (f"addr add {address}/24 dev veth-{host}", f"link set veth-{host} up", "link set lo up")
    ]
    try:
        for line in (f"ip netns add {one}", f"ip netns add {two}", cable, *plugs):
            subprocess.run(line.split(), check=True, capture_output=True, text=True)
        yield names
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {getattr(error, 'stderr', error)}")
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("rendezvous", OPTIONS)
def test_two_hosts_train_one_model_as_one_machine_does(rendezvous, hosts, tmp_path):
    work = [str(ROOT / "run_deepnet.py"), *TINY, "run.N_episodes=3", "hydra.run.dir=run"]
    started = []
    for host, name in hosts.items():
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
        started.append(
            subprocess.Popen(
                ["ip", "netns", "exec", name, *torchrun, *OPTIONS[rendezvous][host], *work],
                cwd=tmp_path,
                env=plain_environment(GLOO_SOCKET_IFNAME=f"veth-{host}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = []
    for process in started:
        try:
            said.append(process.communicate(timeout=480)[0])
        except subprocess.TimeoutExpired:
            for other in started:
                other.kill()
            pytest.fail("\n".join([*said, process.communicate()[0]]))
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    assert "2 processes (torch.distributed gloo)" in said[0]
    launch("srun", 2, tmp_path, *TINY, "run.N_episodes=3", "hydra.run.dir=together")
    assert_same(last(tmp_path / "run"), last(tmp_path / "together"))
    assert not list(Path(tmp_path / "run").rglob("*.tmp"))
