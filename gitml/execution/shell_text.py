"""Where in a line for the shell a quoted word is taken as that word.

Not between quotes: those of the word would be text there, and between double ones would not
keep `$(…)` from being run. Not in a comment, which a line end in the word would end. Not where
only a shell can tell what ends what. There, only words that need no quotes can go.
"""

from __future__ import annotations

import re

_FLAGS = re.VERBOSE | re.DOTALL
# What is whole in itself, then what changes where we are. `$(` is neither: in it words are quoted as before it.
_OUTSIDE = re.compile(
    r"""(?P<whole> \\. | \$\{\w+\} | `[^`'"\\$\#]*` | \$[$\#] )
      | (?P<change> \$\(\( | \(\( | \$\[ | \$\{ | \$' | << | ['"`] | \\\Z | (?:\A|(?<=[\s;&|()<>]))\# )""",
    _FLAGS,
)
_BETWEEN = {
    '"': re.compile(
        r"""(?P<whole> \\. | \$\{\w+\} | \$\([^()'"`\\$\#]*\) | `[^`'"\\$\#]*` )
          | (?P<change> \$\( | \$\{ | ["`] )""",
        _FLAGS,
    ),
    "'": re.compile("(?P<change>')"),
    "#": re.compile("(?P<change>\n)"),
}
_NAMES = {'"': "between double quotes", "'": "between single quotes", "#": "in a comment"}
_END_OF_WORD = {'"': '"', "'": "'", "#": "\n"}


class Scanner:
    """Follows a line piece by piece; between pieces there is a word that is whole in itself."""

    def __init__(self) -> None:
        self._inside = ""  # a quote, '#', or what we do not see the end of
        self._started = False

    @property
    def where(self) -> str | None:
        """What the next word stands in; None if it stands for itself."""
        return _NAMES.get(self._inside, f"behind '{self._inside}'") if self._inside else None

    def feed(self, piece: str) -> None:
        """Go over the next piece of the line, as the shell will read it."""
        position = 0
        while position < len(piece) and (not self._inside or self._inside in _BETWEEN):
            match = (_BETWEEN[self._inside] if self._inside else _OUTSIDE).search(piece, position)
            if match is None:
                break
            position = match.end()
            change = match["change"]
            if change == "#" and self._started and match.start() == 0:
                continue  # in the word before
            if change is not None:
                self._inside = "" if change == _END_OF_WORD.get(self._inside) else change
        self._started = True
