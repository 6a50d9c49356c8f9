"""Real keys to sign with, and what programs take them: OpenSSH and GnuPG."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest


def need(program: str) -> None:
    """Skip where a program is not installed; fail on a machine that must have it."""
    if shutil.which(program) is None:
        if "CI" in os.environ:
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")


def _run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class SshKeys:
    """SSH keys, made when they are first named."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> Path:
        key = self.folder / name
        if not key.exists():
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key))
        return key

    def public(self, name: str) -> str:
        return self[name].with_suffix(".pub").read_text().strip()

    def locked(self) -> Path:
        """A key with a passphrase."""
        key = self.folder / "locked"
        if not key.exists():
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key))
        return key


@dataclass
class GpgHome:
    """A home of gpg; `wrapper` is a gpg whose clock stands in 2020, to sign with a key that expires then."""

    folder: Path
    wrapper: Path

    def __call__(self, *arguments: str, **options) -> str:
        return _run("gpg", "--homedir", str(self.folder), "--batch", "--no-tty", *arguments, **options)

    def make(self, person: str, *more: str, expires: str = "never") -> str:
        """Make a key without passphrase for `Name <mail>`; gives its fingerprint."""
        self("--passphrase", "", *more, "--quick-gen-key", person, "ed25519", "sign", expires)
        return self.fingerprint(person.partition("<")[2].rstrip(">"))

    def fingerprint(self, mail: str) -> str:
        listed = self("--with-colons", "--list-keys", mail)
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def revoke(self, fingerprint: str) -> None:
        text = (self.folder / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        self("--import", input=text.replace(":-----BEGIN", "-----BEGIN"))


def open_gpg() -> GpgHome:
    # gpg-agent's socket is in it, and names of sockets are short: not below pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="gpg-"))
    wrapper = folder / "gpg-in-2020"
    wrapper.write_text('#!/bin/sh\nexec gpg --faked-system-time 20200115T000000 "$@"\n')
    wrapper.chmod(0o755)
    return GpgHome(folder, wrapper)


def close_gpg(home: GpgHome) -> None:
    subprocess.run(["gpgconf", "--homedir", str(home.folder), "--kill", "all"], check=False)
    shutil.rmtree(home.folder, ignore_errors=True)
