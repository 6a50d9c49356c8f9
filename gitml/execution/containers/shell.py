"""What a shell in a container does so that a signal reaches the program that it runs.

An engine signals the first process of a container: an init, which passes it on to
its child alone. Were that a shell, it would die, and the program with it, without a
chance to save anything.
"""

from __future__ import annotations

# Of these `exec` would make something else, or nothing.
_NO_PROGRAMS = (
    ". : [ ! { alias bg break case cd command continue eval exec exit export false fg for function getopts hash "
    "if jobs let local printf pwd read readonly return select set shift source test time times trap true type "
    "ulimit umask unalias unset until wait while"
)

# Told by Docker's init alone: it then signals all processes of the command at once.
GROUP_VARIABLE = "TINI_KILL_PROCESS_GROUP"

# `"$@"` is the command. One program replaces the shell; of more, the shell waits for the
# one that was signalled, where that one was, and ends as it did.
_SCRIPT = f"""\
[ "$# $1 $2" = "3 sh -c" ] || exec "$@"
case $3 in
*[';&|()']* | *'
'*) ;;
*)
  case " {_NO_PROGRAMS} " in *" ${{3%% *}} "*) ;; *)
    case ${{3%% *}} in "" | *=* | *[!A-Za-z0-9_./+-]*) ;; *) eval "exec $3" ;; esac
  esac
esac
[ -z "${GROUP_VARIABLE}" ] || trap 'exit $?' HUP INT TERM
eval "$3"
"""


def shell_words() -> tuple[str, ...]:
    """Words that stand before a command, `sh -c TEXT` or other words, in a container."""
    return ("sh", "-c", _SCRIPT, "sh")
