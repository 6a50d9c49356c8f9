"""Find credentials in what a run is about to record, and put a placeholder there.

History is forever and is pushed, so params, tags, command lines, notes and URLs
come through here first. Two things give a secret away: its shape (a GitHub
token, a private key) and the name it is given (`--password`, `API_KEY=`).
Ordinary machine learning words (`tokenizer`, `pad_token`, `max_tokens`), hashes
and paths are left alone. Pure functions; standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from gitml.entities.run import ParamValue
from gitml.tracking import secret_shapes as shapes

_PLACEHOLDER_START = "[redacted"
_SHORTEST_SECRET_TEXT = 9  # "token=a1b2", "ftp://a:b@c": nothing shorter gives anything away

_EXAMPLE_PASSWORD = r"(?i):(?:pass|passwd|password|pw|pwd|secret|token|x+)$"
_NAME_HINT = re.compile(
    r"pass|pwd|secret|token|key|credential|authorization|conn|cookie|(?<![a-z])(?:pw|pat)(?![a-z])",
    re.IGNORECASE,
)


def redact_text(text: str) -> tuple[str, list[str]]:
    """Replace every credential in a text by a placeholder such as `[redacted: github token]`.

    Args:
        text: Any text: a param's value, a tag, a note, a shell line.

    Returns:
        The text to record, and the kinds that were found, each once, in the
        order of their first appearance by detector. An unchanged text comes
        back as the same object with an empty list. Repeating changes nothing.
    """
    if len(text) < _SHORTEST_SECRET_TEXT:
        return text, []
    kinds: list[str] = []
    if _has_marker(text):
        text = _redact_tokens(text, kinds)
    if "curl" in text:
        text = _redact_curl_users(text, kinds)
    if ("=" in text or ":" in text) and _NAME_HINT.search(text):
        text = _redact_assignments(text, kinds)
    return text, kinds


def redact_value(key: str, value: ParamValue) -> tuple[ParamValue, list[str]]:
    """Redact a param, tag or variable by its name and by what its value looks like.

    Args:
        key: Its name: `db.password`, `apiKey`, `HF_TOKEN`.
        value: Its value; of lists, each item is looked at.

    Returns:
        The value to record, and the kinds that were found. `None`, booleans,
        floats and trivial strings (empty, "none", "$TOKEN", a path) stay even
        under a telling name.
    """
    kind = name_kind(key) if _NAME_HINT.search(key) else None
    if isinstance(value, str):
        redacted, found = redact_text(value)
        if kind is None or not _tells(kind, value) or redacted == _placeholder("".join(found)):
            return redacted, found
        return _placeholder(kind), [kind.rstrip("?")]
    if isinstance(value, list):
        return _redact_list(key, value)
    if kind is not None and not kind.endswith("?") and isinstance(value, int) and abs(value) > 999:
        return _placeholder(kind), [kind]
    return value, []


def redact_command(argv: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Redact a command line, argument by argument.

    Understands `--password X`, `--api-key=X`, `NAME=X`, `curl -u user:X` (also of a curl
    that `env` or `timeout` starts), credentials in URLs and everything `redact_text` knows.

    Args:
        argv: The program and its arguments.

    Returns:
        As many arguments as were given, and the kinds that were found, each once.
    """
    kept: list[str] = []
    kinds: list[str] = []
    pending = ""  # the option whose value may come next
    calls_curl = False
    for position, argument in enumerate(argv):
        user = re.match(shapes.CURL_USER, f"{argv[position - 1]} {argument}") if calls_curl else None
        if user is not None:
            new, found = f"{user['user']}:{_placeholder('password')}", ["password"]
            pending = ""
        elif pending and (not _is_option(argument) or is_secret_of(pending, argument)):
            redacted, found = redact_value(pending, argument)
            new, pending = str(redacted), ""
        else:
            new, found = _redact_argument(argument)
            pending = argument.lstrip("-") if _is_option(argument) and "=" not in argument else ""
        kept.append(new)
        kinds += found
        calls_curl = calls_curl or re.fullmatch(r"(?:.*[/\\])?curl(?:\.exe)?", argument) is not None
    if "aws access key" in kinds:
        kept = [_redact_lone_aws_secret(argument, kinds) for argument in kept]
    return tuple(kept), list(dict.fromkeys(kinds))


def is_secret_of(option: str, word: str) -> bool:
    """Whether the word after an option is its secret, whatever it looks like.

    That holds of all that follows `--password` and the like, but for what can only
    be an option of its own: `--verbose`, `-v`, `-vv`. After `--key` and `--token`,
    which name many things, every option counts as one.

    Args:
        option: The option, with or without its dashes.
        word: The word that comes after it.
    """
    name = option.lstrip("-")
    kind = name_kind(name) if _NAME_HINT.search(name) else None
    if kind is None or not _is_option(word):
        return kind is not None
    return not kind.endswith("?") and re.fullmatch(r"--.*|-(.)\1*|-[\w.-]+=.*", word) is None


def token_kinds(text: str) -> list[str]:
    """Name the kinds of credentials whose shape appears in a text, each once.

    Looks at shapes only, never at names, so that source code which merely
    handles passwords is not suspected. URLs count if their password is not
    just a word such as "password".
    """
    return list(dict.fromkeys(kind for kind, _ in _find(text)))


def find_tokens(text: str) -> frozenset[str]:
    """Return the credentials themselves that a text holds, by shape, for comparing two texts."""
    return frozenset(token for _, token in _find(text))


def strip_url_credentials(url: str) -> str:
    """Remove user, password and tokens from a URL, so that it can be recorded.

    For `ssh://` the user name stays: it is part of the address. Query
    parameters with telling names or values are dropped. `user@host:path` and
    plain paths come back as they are.
    """

    def without_userinfo(match: re.Match[str]) -> str:
        scheme, userinfo = match.group(1), match.group(2)
        user = userinfo.partition(":")[0]
        return f"{scheme}://{user}@" if scheme.lower().endswith("ssh") and user else f"{scheme}://"

    url = re.sub(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#\s]*)@", without_userinfo, url)
    address, question, query = url.partition("?")
    if question:
        kept = [part for part in query.split("&") if not _is_secret_parameter(part)]
        url = address + ("?" + "&".join(kept) if kept else "")
    return redact_text(url)[0]


@lru_cache(maxsize=1024)
def name_kind(key: str) -> str | None:
    """Say what kind of secret a name announces, if it does.

    Returns:
        "password", "api key", "token" …; "password?", "token?" and "key?" where
        only a value that looks like one makes it one (`pass`, `my_token`,
        `key`); None for all other names.
    """
    name = _words_of(key)
    strong = re.search(shapes.STRONG_NAMES, name)
    if strong is not None:
        return str(strong.lastgroup).replace("_", " ")
    # Of `user.pass` and `text.token` the last part says what it is, of `low_pass` and `text_token` all.
    last = _words_of(re.split(r"[./]", key)[-1])
    if re.search(shapes.PASS_NAME, name) and not re.search(shapes.NO_SECRET_PASS, last):
        return "password?"
    if re.search(shapes.TOKEN_NAME, name) and not re.search(shapes.VOCABULARY, last):
        return "token?"
    if re.search(shapes.KEY_NAME, name) and not re.search(shapes.NO_SECRET_KEY, name):
        return "key?"
    return None


def _words_of(name: str) -> str:
    """Write a name in one way: `dbUser.apiKey` is `db_user_api_key`."""
    return "_".join(re.findall(shapes.NAME_PARTS, name)).lower()


def _placeholder(kind: str) -> str:
    return f"{_PLACEHOLDER_START}: {kind.rstrip('?')}]"


def _has_marker(text: str) -> bool:
    for marker in shapes.MARKERS:  # noqa: SIM110 - half the time of any(...)
        if marker in text:
            return True
    return False


@cache
def _tokens() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<t{i}>{shape})" for i, (_, shape) in enumerate(shapes.TOKEN_SHAPES)))


@cache
def _assignments() -> re.Pattern[str]:
    return re.compile(shapes.ASSIGNMENT, re.IGNORECASE)


def _kind_of(match: re.Match[str]) -> str:
    for index, (kind, _) in enumerate(shapes.TOKEN_SHAPES):
        if match.group(f"t{index}") is not None:
            return kind
    raise AssertionError("the pattern is a choice of the shapes")


def _find(text: str) -> Iterator[tuple[str, str]]:
    if not _has_marker(text):
        return
    for match in _tokens().finditer(text):
        kind = _kind_of(match)
        if kind != "url password" or not re.search(_EXAMPLE_PASSWORD, match.group()):
            yield kind, match.group()


def _redact_tokens(text: str, kinds: list[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        kind = _kind_of(match)
        if kind not in kinds:
            kinds.append(kind)
        user = match.group("user")
        return _placeholder(kind) if user is None else f"{user}:{_placeholder(kind)}"

    if "AKIA" in text or "ASIA" in text:
        text = _redact_aws_secrets(text, kinds)
    return _tokens().sub(replace, text)


def _redact_curl_users(text: str, kinds: list[str]) -> str:
    text, count = re.subn(shapes.CURL_LINE, rf"\g<before>{_placeholder('password')}", text)
    if count and "password" not in kinds:
        kinds.append("password")
    return text


def _redact_aws_secrets(text: str, kinds: list[str]) -> str:
    """Redact the 40 characters near an access key; on their own they look like anything."""
    key = re.search(r"(?:AKIA|ASIA)[A-Z0-9]{16}", text)
    while key is not None:
        start, end = key.end(), key.end() + shapes.AWS_REACH
        reach, count = re.subn(shapes.AWS_SECRET, _placeholder("aws secret key"), text[start:end])
        if count and "aws secret key" not in kinds:
            kinds.append("aws secret key")
        text = text[:start] + reach + text[end:]
        key = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{16}").search(text, start)
    return text


def _redact_lone_aws_secret(argument: str, kinds: list[str]) -> str:
    if not re.fullmatch(shapes.AWS_SECRET, argument):
        return argument
    kinds.append("aws secret key")
    return _placeholder("aws secret key")


def _redact_assignments(text: str, kinds: list[str]) -> str:
    pieces: list[str] = []
    done = 0
    for match in _assignments().finditer(text):
        group = next(name for name in ("double", "single", "bare") if match.group(name) is not None)
        value, (start, end) = match.group(group), match.span(group)
        prefix = re.search(r"[\w.-]{0,40}$", text[max(0, match.start() - 40) : match.start()])
        name = (prefix.group() if prefix else "") + match.group("name")
        kind = name_kind(name)
        if kind is None or not _tells(kind, value):
            continue
        if group == "bare" and not _is_bare_value(match, text):
            continue
        pieces += (text[done:start], _placeholder(kind))
        done = end
        kinds.append(kind.rstrip("?"))
    kinds[:] = dict.fromkeys(kinds)
    return "".join((*pieces, text[done:])) if pieces else text


def _is_bare_value(match: re.Match[str], text: str) -> bool:
    """Tell `password: hunter2` from prose ("secret: patience pays") and code (`password=ask()`)."""
    value, end = match.group("bare"), match.end("bare")
    if text[end : end + 1] == "(" or value.endswith("["):
        return False
    if match.group("sep") != ":":
        return True
    line_end = text.find("\n", end)
    rest = text[end : len(text) if line_end < 0 else line_end]
    return not rest.strip(" \t,;.\"'}])") or any(character.isdigit() for character in value)


def _tells(kind: str, value: str) -> bool:
    """Whether a value under a telling name is a secret rather than a setting."""
    if value.startswith(_PLACEHOLDER_START) or _matches(shapes.TRIVIAL, value):
        return False
    if kind == "password?":
        return _looks_made_up(value, shapes.PASS_VALUE)
    if kind == "token?":
        return _looks_made_up(value, shapes.TOKEN_VALUE)
    if kind == "key?":
        return re.fullmatch(shapes.KEY_VALUE, value) is not None
    # 40 characters that begin with "/" are more likely an AWS secret than a path.
    return len(value) == 40 or not _matches(shapes.PATH, value)


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value.strip(), re.IGNORECASE) is not None


def _looks_made_up(value: str, form: str) -> bool:
    """Tell what a person or a service makes up for a secret from names such as `bert-base-v2` and `epoch100`."""
    if re.fullmatch(form, value) is None or _matches(shapes.PATH, value):
        return False
    if re.fullmatch(shapes.NUMBERED_WORD, value):
        return False
    return len(value) >= shapes.LONG_VALUE or re.fullmatch(shapes.NUMBERED_WORDS, value) is None


def _redact_list(key: str, values: list[ParamValue]) -> tuple[ParamValue, list[str]]:
    pairs = [redact_value(key, item) for item in values]
    kinds = dict.fromkeys(kind for _, found in pairs for kind in found)
    return ([item for item, _ in pairs], list(kinds)) if kinds else (values, [])


def _is_option(argument: str) -> bool:
    return re.match(r"--?[A-Za-z][\w.-]*(?:=|$)", argument) is not None


def _redact_argument(argument: str) -> tuple[str, list[str]]:
    name, equals, value = argument.partition("=")
    if equals and re.fullmatch(r"[\w.+-]+", name):
        redacted, kinds = redact_value(name.lstrip("-+"), value)
        return f"{name}={redacted}", kinds
    return redact_text(argument)


def _is_secret_parameter(part: str) -> bool:
    name, _, value = part.partition("=")
    if name.lower() in ("sig", "signature", "key", "token", "x-amz-signature", "x-amz-credential"):
        return True
    kind = name_kind(name)
    return (kind is not None and (kind != "key?" or _tells(kind, value))) or bool(token_kinds(value))
