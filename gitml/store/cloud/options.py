"""Options of a store, from git's configuration: `gitml.artifacts.option.NAME`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitml.errors import UsageError

PREFIX = "gitml.artifacts.option."
_SECRET = ("key", "secret", "token", "password", "passphrase", "credential", "sas", "pin")
_YES = ("true", "yes", "on", "1", "")
_NO = ("false", "no", "off", "0")


class Options:
    """What a user set for a store; each kind of store takes the options that it knows.

    git's keys have no underscores: `allow-http` is one option, however it is
    called elsewhere.
    """

    def __init__(self, settings: Mapping[str, str], kind: str, known: Iterable[str] | None) -> None:
        """Pick the options out of git's configuration.

        Args:
            settings: Keys as git prints them.
            kind: What kind of store it is, for messages.
            known: The options that it has; None for any.

        Raises:
            UsageError: An option that it does not have, or that would be a secret in a file.
        """
        self._values = {
            key.removeprefix(PREFIX): value for key, value in settings.items() if key.startswith(PREFIX)
        }
        names = None if known is None else sorted(known)
        for name in self._values:
            if set(name.split("-")) & set(_SECRET) and name not in (names or ()):
                raise UsageError(
                    f"{PREFIX}{name} would keep a credential in git's configuration",
                    hint=f"git config --unset {PREFIX}{name}, and set it in the environment",
                )
            if names is not None and name not in names:
                raise UsageError(
                    f"{PREFIX}{name} is no option of {kind}; it has {', '.join(names)}",
                    hint=f"git config --unset {PREFIX}{name}",
                )

    def text(self, name: str) -> str | None:
        """Give an option's value, None if it is not set."""
        return self._values.get(name)

    def flag(self, name: str) -> bool | None:
        """Give an option that is on or off, None if it is not set."""
        value = self._values.get(name)
        if value is None:
            return None
        return as_flag(f"{PREFIX}{name}", value)

    def number(self, name: str, default: int) -> int:
        """Give an option that is a whole number."""
        value = self._values.get(name, str(default))
        if not (value.isascii() and value.isdigit() and len(value) < 7):
            raise UsageError(f"{PREFIX}{name} is '{value[:50]}', it can be a whole number")
        return int(value)

    def others(self, taken: Iterable[str] = ()) -> dict[str, str]:
        """Give all options but some, as Python spells names."""
        left_out = set(taken)
        return {name.replace("-", "_"): value for name, value in self._values.items() if name not in left_out}


def as_flag(name: str, value: str) -> bool:
    """Read what git or an environment calls true or false."""
    word = value.strip().lower()
    if word not in _YES + _NO:
        raise UsageError(f"{name} is '{value[:100]}', it can be true or false")
    return word in _YES
