"""Names of files in a run's `environment/` folder that an environment is made again from."""

from __future__ import annotations

LOCK = "requirements.lock"  # exact packages with hashes
PACKAGES = "requirements.txt"  # exact packages, as for any run
VERSION = "python-version"
EXPLICIT = "conda-explicit.txt"  # addresses of conda's packages with their hashes
EXPORT = "environment.yaml"  # names of all packages, those that pip added to conda's too
