"""A real Slurm of one node on loopback, without systemd, in a folder of its own; needs root."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "squeue")
_PATIENCE_S = 60.0

_CONF = """\
ClusterName=gitml
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=20
MaxArraySize=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000
PartitionName=main Nodes=ALL Default=YES PriorityTier=1 GraceTime=3
PartitionName=urgent Nodes=ALL PriorityTier=10
"""


def is_installed() -> bool:
    """Whether Slurm can be started here."""
    return os.getuid() == 0 and all(shutil.which(name, path=_path()) for name in PROGRAMS)


@dataclass(frozen=True)
class Cluster:
    """A running Slurm; its clients find it by `environment`."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path()}

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command} failed: {done.stderr}"
        return done.stdout

    def facts(self, job: str) -> dict[str, str]:
        """What the controller knows of a job."""
        return dict(
            word.partition("=")[::2] for word in self.run("scontrol", "-o", "show", "job", job).split()
        )

    def wait_for(self, job: str, state: str) -> dict[str, str]:
        """Wait until a job is in a state."""
        end = time.monotonic() + _PATIENCE_S
        while (facts := self.facts(job))["JobState"] != state:
            assert time.monotonic() < end, (
                f"job {job} is not {state}: {facts}\n{self.run('squeue', '--long')}"
            )
            time.sleep(0.1)
        return facts

    def start_again(self, job: str) -> None:
        """Let a requeued job begin at once: Slurm would wait two minutes."""
        time.sleep(2)  # a node refuses a job that begins in the second in which its last try ended
        end = time.monotonic() + _PATIENCE_S
        while self.facts(job)["JobState"] not in ("RUNNING", "COMPLETED"):
            assert time.monotonic() < end, self.facts(job)
            update = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
            # Refused where it begins just now.
            subprocess.run(update, env={**os.environ, **self.environment}, capture_output=True, check=False)
            time.sleep(0.5)


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start munged, slurmctld and slurmd, and wait until the node is idle."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    cluster = Cluster(folder)
    environment = {**os.environ, **cluster.environment}
    (folder / "slurm.conf").write_text(
        _CONF.format(
            host=socket.gethostname(), folder=folder, ctld_port=_free_port(), slurmd_port=_free_port()
        )
    )
    options = {"socket": "sock", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munged = [f"--{option}={folder}/munge.{suffix}" for option, suffix in options.items()]
    try:
        for command in (["munged", *munged, "--force"], ["slurmctld", "-c"], ["slurmd"]):
            subprocess.run(command, env=environment, check=True, capture_output=True)
        end = time.monotonic() + _PATIENCE_S
        while (
            "idle"
            not in subprocess.run(
                ["sinfo", "-h", "-o", "%T"], env=environment, capture_output=True, text=True, check=False
            ).stdout.split()
        ):
            assert time.monotonic() < end, (folder / "slurmctld.log").read_text()
            time.sleep(0.1)
        yield cluster
        cluster.run("scancel", "--user=root")
    finally:
        for name in ("slurmd.pid", "slurmctld.pid", "munge.pid"):
            _stop(folder / name)


def _stop(pid_file: Path) -> None:
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _PATIENCE_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
