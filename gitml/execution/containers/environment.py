"""A container as the environment of a project's command.

The command runs as the user who started gitml, so that files are theirs. It finds
the code in `/mlflow/projects/code`, as under MLflow, and the repository's git
folder at the path that it has here, so that a gitml in the image records into the
run; its changes there are changes here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitml.entities.project import DockerSpec, EnvironmentKind
from gitml.execution.containers.arguments import (
    mount_word,
    option_words,
    variable_words,
    volume_words,
)
from gitml.execution.containers.engine import Engine, find_engine
from gitml.execution.containers.image import (
    CODE_FOLDER,
    IMAGE_FILE,
    build_image,
    decode_image,
    encode_image,
    get_image,
    same_image,
)
from gitml.execution.containers.shell import GROUP_VARIABLE, shell_words
from gitml.execution.environments.environment import Environment
from gitml.git.process import GitCommandFailedError
from gitml.git.repo import GitRepo
from gitml.launching.child_environment import (
    EXPERIMENT_VARIABLE,
    NAME_VARIABLE,
    REPO_VARIABLE,
    RUN_VARIABLE,
)
from gitml.progress import ShowProgress, no_progress

# By name alone: their values are known when the run is there, and are taken from our environment then.
RUN_VARIABLES = (
    RUN_VARIABLE,
    NAME_VARIABLE,
    EXPERIMENT_VARIABLE,
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_TRACKING_URI",
    "PYTHONUNBUFFERED",
)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What of this machine a container sees.

    Attributes:
        folder: The project's folder: the command runs there.
        root: The root of its code.
        repository: Where the run is recorded; None: nothing is recorded from inside.
        mounts: More files and folders, each at the path that it has here.
    """

    folder: Path
    root: Path
    repository: GitRepo | None = None
    mounts: tuple[Path, ...] = ()


def container_environment(
    docker: DockerSpec,
    workspace: Workspace,
    *,
    environ: Mapping[str, str],
    engine: str | None = None,
    options: Sequence[tuple[str, str]] = (),
    build: bool = False,
    recorded: bytes | None = None,
    progress: ShowProgress = no_progress,
) -> Environment:
    """Make the words that run a command in an image.

    The command should begin with `sh`, which nearly every image has.

    Args:
        docker: What the project says.
        workspace: What the command sees.
        environ: Our environment; `GITML_CONTAINER_ENGINE` says which engine is used.
        engine: The engine, whatever `environ` says.
        options: More options of `docker run`, by name; a flag has an empty
            value. They come last, so that they count.
        build: Whether the code is put into an image built for it, as MLflow
            does, instead of being mounted: what the command writes to its
            folder then goes with the container.
        recorded: `container-image.txt` of a run whose very image is wanted.
        progress: Shows what takes long.

    Returns:
        An environment whose `files` say which image it is, by digest.

    Raises:
        EngineMissingError: There is no engine.
        EngineError: It can't be used, or the image can't be had or built.
        UsageError: A value that the project or `options` give can't be used.
        DamagedError: `recorded` is no record of an image.
    """
    found, notes = find_engine(environ, engine)
    given = [*volume_words(docker.volumes), *variable_words(docker, environ), *option_words(options)]
    if recorded is None:
        image = get_image(found, docker.image, progress)
    else:
        image, more = same_image(found, decode_image(recorded), progress)
        notes += more
    files = {IMAGE_FILE: encode_image(image, found)}
    if build:
        image = build_image(
            found, image, workspace.root, _files(workspace.root), owner=_owner(found), progress=progress
        )
    words = [
        *_basic_words(found),
        *_place_words(workspace, code_mounted=not build),
        *(f"--env={name}" for name in RUN_VARIABLES),
    ]
    return Environment(
        found.name,
        files=files,
        definition=EnvironmentKind.DOCKER,
        notes=notes,
        # By its id, so that what is recorded is what runs.
        prefix=(found.program, "run", *words, *given, image.id, *shell_words()),
    )


def _basic_words(engine: Engine) -> list[str]:
    # `--init`: the first process of a container would not hear of signals unless it expects them.
    # The log would be a second copy on disk of what we record anyway.
    words = ["--rm", "--init", "--log-driver=none", *user_words(engine)]
    if engine.name == "docker":
        words.append(f"--env={GROUP_VARIABLE}=1")
    if sys.stdin.isatty() and sys.stdout.isatty():
        words += ["--interactive", "--tty"]
    return words


def user_words(engine: Engine) -> list[str]:
    """Let a command run as the user who started gitml, so that files are theirs."""
    if not engine.rootless:
        words = [f"--user={_owner(engine)}"]
    elif engine.name == "podman":
        words = ["--userns=keep-id", f"--user={_owner(engine)}"]
    else:
        return []  # Docker has no keep-id, but root in there is the user here
    # Most images know no user of that number, who then has no home.
    return words if os.geteuid() == 0 else [*words, "--env=HOME=/tmp"]


def _owner(engine: Engine) -> str:
    if engine.rootless and engine.name == "docker":
        return "0:0"
    return f"{os.geteuid()}:{os.getegid()}"


def _place_words(workspace: Workspace, *, code_mounted: bool) -> list[str]:
    words = []
    if code_mounted:
        words.append(mount_word(workspace.root.resolve(), CODE_FOLDER))
    inside = PurePosixPath(workspace.folder.resolve().relative_to(workspace.root.resolve()).as_posix())
    words.append(f"--workdir={PurePosixPath(CODE_FOLDER, inside)}")
    mounts = {str(path.absolute()): path.resolve() for path in workspace.mounts}
    if workspace.repository is not None:
        shared = workspace.repository.common_dir.resolve()
        mounts[str(shared)] = shared
        # The work tree is elsewhere in there, or not at all: the git folder is enough to record.
        words.append(f"--env={REPO_VARIABLE}={workspace.repository.git_dir.resolve()}")
    words += [mount_word(source, target) for target, source in mounts.items()]
    return words


def _files(root: Path) -> list[str] | None:
    """List what git tracks or would track below a folder; None: no repository has it."""
    from gitml.errors import NotARepositoryError

    try:
        git = GitRepo.discover(root)
        listed = git.process.run(["ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root)
    except (NotARepositoryError, GitCommandFailedError):
        return None
    names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    return names or None
