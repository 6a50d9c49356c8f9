"""Whether hints are welcome: `advice.gitml` of git's configuration, as git has it for its own."""

from __future__ import annotations

from pathlib import Path


def is_wanted() -> bool:
    """Ask git; hints are shown unless it says that they are not to be."""
    from gitml.errors import GitmlError
    from gitml.git.process import GitProcess  # asked for only where there is a hint to show

    try:
        status, out, _ = GitProcess(Path.cwd()).run_status(["config", "--type=bool", "--get", "advice.gitml"])
    except (GitmlError, OSError):  # no git, or no folder: what the error was about, perhaps
        return True
    return status != 0 or out.strip() != b"false"
