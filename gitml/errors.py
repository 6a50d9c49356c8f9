"""What can go wrong, sorted by what the reader should do next.

Each class writes its own sentence from the facts it is given, so that messages
are uniform and Python callers can read the fields. More specific classes live
beside the code that raises them.
"""

from __future__ import annotations

import sys

from gitml.error_codes import INTERNAL_ERROR, error_word, http_status

TYPE_CHECKING = False  # importing typing would be most of the cost of `import gitml`
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self


class GitmlError(Exception):
    """A failure gitml can explain: what happened, and what to do next.

    `error_code` is MLflow's word for failures of its kind.
    """

    exit_code: int = 1
    error_code: str = INTERNAL_ERROR

    def __init__(
        self, message: object, error_code: str | int | None = None, *, hint: str | None = None
    ) -> None:
        """Say what happened.

        Args:
            message: What happened, in a sentence.
            error_code: MLflow's word for the failure, or its number; that of the class if not given.
            hint: What to do next.
        """
        super().__init__(message)
        self.message = str(message)
        self.hint = hint
        if error_code is not None:
            self.error_code = error_word(error_code)
        if hint is not None and sys.version_info >= (3, 11):
            self.add_note(f"hint: {hint}")  # below the message in a traceback

    @classmethod
    def invalid_parameter_value(cls, message: object, **facts: Any) -> Self:
        """Make an error of the code INVALID_PARAMETER_VALUE, as MLflow's exception can."""
        return cls(message, error_code="INVALID_PARAMETER_VALUE", **facts)

    def get_http_status_code(self) -> int:
        """Give the HTTP status that goes with `error_code`."""
        return http_status(self.error_code)

    def serialize_as_json(self) -> str:
        """Write code and message as a JSON object."""
        import json

        return json.dumps({"error_code": self.error_code, "message": self.message})

    def __str__(self) -> str:
        return self.message

    # A subclass is made from facts, not from `args`; a process that gets one from another remakes none.
    def __reduce__(self) -> tuple[object, ...]:
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[GitmlError], args: tuple[object, ...]) -> GitmlError:
    error = kind.__new__(kind)
    error.args = args
    return error


class UsageError(GitmlError):
    """The request is wrong: fix the request."""

    exit_code = 2
    error_code = "INVALID_PARAMETER_VALUE"


class InvalidNameError(UsageError):
    """A name that can't be used; says the name, the rule and a remedy."""

    def __init__(self, kind: str, name: object, rule: str, *, hint: str | None = None) -> None:
        super().__init__(f"{kind} {name!r:.120} can't be used: {rule}", hint=hint)
        self.kind = kind
        self.name = name
        self.rule = rule


class InvalidValueError(UsageError):
    """A value that can't be recorded; says the value, the rule and a remedy."""

    def __init__(self, kind: str, key: str, rule: str, *, hint: str | None = None) -> None:
        super().__init__(f"{kind} {key!r:.120}: {rule}", hint=hint)
        self.kind = kind
        self.key = key
        self.rule = rule


class NotFoundError(GitmlError):
    """The name leads nowhere: fix the name."""

    exit_code = 3
    error_code = "RESOURCE_DOES_NOT_EXIST"


class RefusedError(GitmlError):
    """A condition is not met, or someone else was faster: meet it, or retry."""

    exit_code = 4
    error_code = "INVALID_STATE"


class DeletedError(RefusedError):
    """A run or experiment was deleted, and can't be written to before it is restored."""

    error_code = "INVALID_PARAMETER_VALUE"

    def __init__(self, kind: str, name: str, hint: str) -> None:
        super().__init__(f"{kind} '{name}' was deleted", hint=hint)
        self.kind = kind
        self.name = name


class ConflictError(RefusedError):
    """A ref moved under us more often than we were willing to retry."""

    def __init__(self, ref: str, attempts: int) -> None:
        super().__init__(
            f"'{ref}' was moved by others {attempts} times while gitml wrote to it",
            hint="nothing is lost; run the command again",
        )
        self.ref = ref
        self.attempts = attempts


class ExecutionError(GitmlError):
    """Something that was run did not end well: look at what it said."""


class RemoteError(GitmlError):
    """The network or the other side failed: check connection and rights."""

    exit_code = 5
    error_code = "TEMPORARILY_UNAVAILABLE"


class DamagedError(GitmlError):
    """Stored data is not what it should be."""

    exit_code = 6
    error_code = "DATA_LOSS"


class MissingExtraError(GitmlError):
    """An optional dependency is not installed: install the extra."""

    exit_code = 7

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed",
            hint=f"pip install 'gitml[{extra}]'",
        )
        self.extra = extra


class NotARepositoryError(GitmlError):
    """There is no git repository here: go elsewhere, or make one."""

    exit_code = 128

    def __init__(self, where: object) -> None:
        super().__init__(
            f"'{where}' is not in a git repository",
            hint="go to your project's folder, or make one here: gitml init",
        )
        self.where = str(where)
