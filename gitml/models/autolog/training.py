"""One training that is logged: the run it goes to, and logging that never raises.

A framework's functions are wrapped by `observed`. Only the outermost training is logged, in the process
that switched autologging on. What goes wrong on our side is gathered, and told in one warning at the end;
what the training itself raises passes through, and fails the run.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from gitml.api.fluent import active_run, get_client, session, start_run
from gitml.models.autolog.options import Options
from gitml.models.user_frames import levels_to_user

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from gitml.api.active_run import ActiveRun

T = TypeVar("T")
TAG = "mlflow.autologging"
_OVER: Any = object()
_MOST_TROUBLES = 100
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")


class AutologWarning(UserWarning):
    """A training was not logged, or not as a whole."""


@dataclass(slots=True)
class Call:
    """A call of a function that trains, before it happens.

    Attributes:
        function: The original function.
        args: Its arguments by place; of a method, its object first.
        kwargs: Those by name.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def given(self, *names: str) -> Any:
        """Get an argument by the first of these names that it was given by, in whatever way; else None."""
        bound = self.arguments()
        return next((bound[name] for name in names if bound.get(name) is not None), None)

    def arguments(self, *, defaults: bool = False) -> dict[str, Any]:
        """Name all arguments that were given."""
        signature = inspect.signature(self.function)
        bound = signature.bind(*self.args, **self.kwargs)
        if defaults:
            bound.apply_defaults()
        named = dict(bound.arguments)
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                named.update(named.pop(parameter.name, {}))
        return named

    def change(self, **values: Any) -> None:
        """Give other values for arguments."""
        bound = inspect.signature(self.function).bind(*self.args, **self.kwargs)
        named = inspect.signature(self.function).parameters
        extra = {name: value for name, value in values.items() if name not in named}
        bound.arguments.update({name: value for name, value in values.items() if name in named})
        self.args, self.kwargs = bound.args, {**bound.kwargs, **extra}


# What a flavor does in a training: before it, then it gets what the function gave, and goes on.
Steps = Callable[["Training", Call], Generator[None, Any, None]]

# The training that this code runs in; False: it is part of something that is not to be logged.
_current: ContextVar[Training | bool | None] = ContextVar("gitml_autolog", default=None)
_log = logging.getLogger("gitml.autolog")


def current() -> Training | None:
    """Get the training that this code runs in, if it is being logged."""
    found = _current.get()
    return found if isinstance(found, Training) else None


def is_nested() -> bool:
    """Tell whether this code is part of a training or of something else that nothing is logged of."""
    return _current.get() is not None


@contextmanager
def muted() -> Iterator[None]:
    """Have nothing logged of what is trained meanwhile."""
    token = _current.set(False)
    try:
        yield
    finally:
        _current.reset(token)


def quiet(original: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that does the same, and in which nothing is logged."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if is_nested():
            return original(*args, **kwargs)
        with muted():
            return original(*args, **kwargs)

    return call


@dataclass(slots=True, eq=False)
class Training:
    """A training that is being logged.

    Attributes:
        flavor: Whose autologging it is.
        what: What is called, for warnings: `LogisticRegression.fit`.
        options: What was asked for.
        run: The run that it is logged to; None if none could be had.
        troubles: What could not be logged, and why.
    """

    flavor: str
    what: str
    options: Options
    run: ActiveRun | None = None
    troubles: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def run_id(self) -> str:
        """The run's id."""
        if self.run is None:
            raise RuntimeError("there is no run")
        return self.run.run_id

    def attempt(self, what: str, step: Callable[[], T]) -> T | None:
        """Do something of ours; if that fails, note it and go on.

        Args:
            what: What it is, for the warning.
            step: Does it.
        """
        try:
            return step()
        except Exception as err:  # noqa: BLE001 - nothing of ours may stop a training
            self.note(f"{what}: {type(err).__name__}: {err}")
            return None

    def note(self, trouble: str) -> None:
        """Note what could not be logged, once: what fails in one step fails in the next, too."""
        if trouble not in self.troubles and len(self.troubles) < _MOST_TROUBLES:
            self.troubles.append(trouble)

    # What flavors log by; all of these note trouble instead of raising it.

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log params as MLflow names them: numbers, words and lists as they are, others as text."""
        self.attempt("params", lambda: _log_params(self, params))

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers; what is none is left out."""
        self.attempt("metrics", lambda: _log_metrics(self.run_id, metrics, step))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        self.attempt("tags", lambda: get_client().set_tags(self.run_id, tags))

    def log_text(self, what: str, file: str, make: Callable[[], str]) -> None:
        """Keep a text that is yet to be made."""
        self.attempt(what, lambda: get_client().log_text(self.run_id, make(), file))

    def log_dict(self, what: str, file: str, make: Callable[[], object]) -> None:
        """Keep a dictionary as JSON."""
        self.attempt(what, lambda: get_client().log_dict(self.run_id, make(), file))

    def log_figure(self, what: str, file: str, make: Callable[[], Any]) -> None:
        """Keep a plot; without matplotlib there is none."""
        from gitml.models.plots import has_matplotlib

        if has_matplotlib():
            self.attempt(what, lambda: get_client().log_figure(self.run_id, make(), file))

    # Beginning and end

    def __enter__(self) -> Self:
        token = _current.set(self)
        self._stack.callback(self.tell)
        self._stack.callback(_current.reset, token)
        with ExitStack() as entering:
            entering.callback(self._stack.close)
            self.attempt("the run", self._find_run)
            entering.pop_all()  # nothing like Ctrl-C came in between
        return self

    def _find_run(self) -> None:
        there = active_run()
        if there is None:
            there = start_run(tags={TAG: self.flavor, **(self.options.extra_tags or {})})
            self._stack.push(self._ending(there))
        self.run = there

    def _ending(self, run: ActiveRun) -> Callable[..., bool]:
        def end(
            kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> bool:
            self.attempt("the run's end", lambda: run.__exit__(kind, error, trace))
            return False

        return end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def tell(self) -> None:
        """Warn of what could not be logged."""
        if self.troubles and not self.options.silent:
            others = f" (and {len(self.troubles) - 5} more)" if len(self.troubles) > 5 else ""
            tell(f"{self.what} was not logged as a whole: {'; '.join(self.troubles[:5])}{others}")


def tell(message: str) -> None:
    """Warn, also where warnings are errors: they must not stop a training."""
    try:
        warnings.warn(message, AutologWarning, stacklevel=levels_to_user())
    except AutologWarning:
        _log.warning(message)


def _always(args: tuple[Any, ...]) -> bool:
    del args
    return True


@dataclass(slots=True, eq=False)
class Logger:
    """Autologging of one framework.

    Attributes:
        flavor: Whose it is.
        options: What was asked for.
        is_off: Whether it was switched off. Functions that somebody kept may still be ours then.
        pid: The process that asked; its children, such as workers of joblib, log nothing.
    """

    flavor: str
    options: Options
    is_off: bool = False
    pid: int = field(default_factory=os.getpid)

    def observed(
        self, steps: Steps, original: Callable[..., Any], wanted: Callable[[tuple[Any, ...]], bool] = _always
    ) -> Callable[..., Any]:
        """Make a function that does the same as the original, and is logged.

        Args:
            steps: What to log.
            original: The function that trains.
            wanted: Told the arguments by place, says whether it is to be logged by this process. Of all
                that train one model together, one does.
        """

        def observe(*args: Any, **kwargs: Any) -> Any:
            if not self.is_on() or is_nested() or self._leaves_alone() or not _asked(wanted, args):
                return original(*args, **kwargs)
            call = Call(original, args, dict(kwargs))
            with Training(self.flavor, _name(original, args), self.options) as training:
                if training.run is None:
                    return original(*args, **kwargs)
                script = steps(training, call)
                going = training.attempt("what comes before it", lambda: _begin(script))
                if not going:
                    call = Call(original, args, dict(kwargs))
                try:
                    result = original(*call.args, **call.kwargs)
                except BaseException:
                    training.attempt("what comes after it", script.close)
                    raise
                if going:
                    training.attempt("what comes after it", lambda: _finish(script, result))
                return result

        return observe

    def is_on(self) -> bool:
        """Whether it is on, in this process."""
        return not self.is_off and os.getpid() == self.pid

    def _leaves_alone(self) -> bool:
        return self.options.exclusive and (active_run() is not None or session.wrapper_run_id is not None)


def _asked(wanted: Callable[[tuple[Any, ...]], bool], args: tuple[Any, ...]) -> bool:
    try:
        return wanted(args)
    except Exception:  # noqa: BLE001 - what is wrong with it, the function itself will say
        return False


def _begin(script: Generator[None, Any, None]) -> bool:
    """Do what comes before the training; False if the flavor wants nothing of it."""
    return next(script, _OVER) is not _OVER


def _finish(script: Generator[None, Any, None], result: Any) -> None:
    try:
        script.send(result)
    except StopIteration:
        return
    script.close()


def _name(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    name = function.__name__
    return f"{type(args[0]).__name__}.{name}" if args and hasattr(type(args[0]), name) else name


def _log_params(training: Training, params: Mapping[str, Any]) -> None:
    """Log params; those that the run has with other values stay, and are told of."""
    from gitml.tracking.params_file import ParamChangedError

    live = get_client().writer(training.run_id)
    for_run: dict[str, Any] = {}
    for key, value in params.items():
        training.attempt(f"the param {key!s:.80}", lambda: for_run.update({str(key): _param(value)}))  # noqa: B023
    try:
        live.log_params(for_run)
    except ParamChangedError:
        changed = [key for key, value in for_run.items() if not _could_log(live, key, value)]
        raise RuntimeError(
            f"the run has other values of {', '.join(changed)} already; start a run for each training"
        ) from None


def _could_log(live: Any, key: str, value: Any) -> bool:
    from gitml.tracking.params_file import ParamChangedError

    try:
        live.log_param(key, value)
    except ParamChangedError:
        return False
    return True


def _param(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str | bool | int | float) for one in value):
        return list(value)
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", None) == 0:
        return item()
    text = str(value)
    if not _ADDRESS.search(text):
        return text
    # Where it is in memory says nothing, and is another place each time.
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _log_metrics(run_id: str, metrics: Mapping[str, Any], step: int | None) -> None:
    numbers = {str(key): value for key, value in metrics.items() if _is_number(value)}
    if numbers:
        get_client().writer(run_id).log_metrics(numbers, step)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str)
