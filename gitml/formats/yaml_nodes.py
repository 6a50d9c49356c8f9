"""Nodes of YAML for people's own files: each complaint names the line, the key and the nearest known key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

import yaml

from gitml.errors import UsageError
from gitml.formats.scalars import parse_scalar
from gitml.formats.unreadable import why_unreadable
from gitml.formats.yaml_guard import compose

_MAX_DEPTH = 12


class WrittenFileError(UsageError):
    """A file that a person wrote says what is not known, or in another form.

    Attributes:
        source: Which file.
        line: Where, counted from 1; 0 if it is about all of it.
        problem: What is wrong there.
    """

    def __init__(self, source: str, line: int, problem: str, hint: str | None = None) -> None:
        where = f"'{source}', line {line}" if line else f"'{source}'"
        super().__init__(f"{where}: {problem}", hint=hint)
        self.source = source
        self.line = line
        self.problem = problem


class Node:
    """A value in a file, and where it stands.

    Every complaint is of the class that the file's reader gave.
    """

    def __init__(self, node: yaml.Node, source: str, error: type[WrittenFileError], key: str = "") -> None:
        self._node = node
        self._source = source
        self._error = error
        self.key = key
        self.line = int(node.start_mark.line) + 1

    @classmethod
    def of(cls, data: bytes, source: str, error: type[WrittenFileError]) -> Node | None:
        """Read a document; None if there is nothing in it.

        Args:
            data: What the file holds.
            source: What to call it.
            error: What complaints are.

        Raises:
            WrittenFileError: It is not YAML, or uses what is not allowed: anchors, aliases, tags.
        """
        try:
            node = compose(data, max_depth=_MAX_DEPTH)
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as err:
            mark = getattr(err, "problem_mark", None)
            problem = getattr(err, "problem", None) or why_unreadable(err).partition("\n")[0]
            raise error(source, 0 if mark is None else mark.line + 1, problem) from err
        return None if node is None else cls(node, source, error)

    def error(self, problem: str, hint: str | None = None) -> WrittenFileError:
        """Complain about this value."""
        return self._error(self._source, self.line, problem, hint)

    @property
    def _what(self) -> str:
        return f"'{self.key}'" if self.key else "the file"

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it has keys."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there."""
        return isinstance(self._node, yaml.ScalarNode) and not self._node.style and not self._node.value

    @property
    def is_null(self) -> bool:
        """Whether nothing is there, or the word for it: `null`, `~`."""
        return isinstance(self._node, yaml.ScalarNode) and not self._node.style and self._plain() is None

    @property
    def is_flag(self) -> bool:
        """Whether it is `true` or `false` without quotes."""
        return isinstance(self._plain(), bool)

    def pairs(self) -> dict[str, Node]:
        """Its keys, each with its value.

        Raises:
            WrittenFileError: It has none, one stands twice, or one is no text.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self.error(f"{self._what} must have keys", "'key: value', one a line")
        found: dict[str, Node] = {}
        for name, value in self._node.value:
            at = Node(name, self._source, self._error)
            key = at.text("a key")
            if key in found:
                raise at.error(f"'{key:.100}' stands twice", f"once in line {found[key].line}")
            found[key] = Node(value, self._source, self._error, key)
            found[key].line = at.line
        return found

    def known_pairs(self, known: Collection[str]) -> dict[str, Node]:
        """Its keys, of which only some may be there.

        Raises:
            WrittenFileError: There is another one.
        """
        found = self.pairs()
        for key, node in found.items():
            if key not in known:
                within = f" of {self._what}" if self.key else ""
                raise node.error(f"'{key:.100}' is no key{within}", nearest(key, known))
        return found

    def items(self) -> list[Node]:
        """The values of a list.

        Raises:
            WrittenFileError: It is none.
        """
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.error(f"{self._what} must be a list", f"{self.key}: [one, two]")
        return [Node(item, self._source, self._error, self.key) for item in self._node.value]

    def text(self, what: str | None = None) -> str:
        """A text; a number or a word is taken as it is written.

        Raises:
            WrittenFileError: It is a list, has keys, or is empty.
        """
        what = what or self._what
        if not isinstance(self._node, yaml.ScalarNode) or not self._node.value:
            raise self.error(f"{what} must be a text")
        if not self._node.value.isprintable():
            raise self.error(f"{what} has characters that can't be shown")
        return str(self._node.value)

    def block(self) -> str:
        """A text that may have line ends or be empty; anything plain is taken as it is written.

        Raises:
            WrittenFileError: It is a list or has keys, or has control characters.
        """
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.error(f"{self._what} must be a text", "put it between quotes")
        text = str(self._node.value)
        if not text.replace("\n", "").replace("\t", "").isprintable():
            raise self.error(f"{self._what} has characters that can't be shown")
        return text

    def flag(self) -> bool:
        """`true` or `false`.

        Raises:
            WrittenFileError: It is neither.
        """
        value = self._plain()
        if type(value) is not bool:
            raise self.error(f"{self._what} must be true or false")
        return value

    def number(self, least: int, most: int) -> int:
        """A whole number.

        Raises:
            WrittenFileError: It is none, or too small or too large.
        """
        value = self._plain()
        if type(value) is not int or not least <= value <= most:
            raise self.error(f"{self._what} must be a whole number from {least} to {most}")
        return value

    def amount(self) -> float:
        """A number.

        Raises:
            WrittenFileError: It is none.
        """
        value = self._plain()
        if type(value) is int and abs(value) < 1 << 1000:
            value = float(value)
        if type(value) is not float or value != value:
            raise self.error(f"{self._what} must be a number")
        return value

    def _plain(self) -> object:
        plain = isinstance(self._node, yaml.ScalarNode) and not self._node.style
        return parse_scalar(self._node.value) if plain else None


def nearest(word: str, known: Collection[str] | Mapping[str, object]) -> str:
    """Say which of some words was meant, or what there is."""
    lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1)
    there = f"there are {', '.join(known)}" if known else "there are none"
    return f"did you mean '{lower[close[0]]}'? {there}" if close else there
