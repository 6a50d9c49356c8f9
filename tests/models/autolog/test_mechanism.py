"""What autologging stands on: hooks on imports, and functions that are replaced for a while."""

from __future__ import annotations

import importlib
import inspect
import sys
import threading

import pytest

from gitml.models.autolog import import_hooks, switching
from gitml.models.autolog.patching import Patches
from gitml.models.autolog.training import AutologWarning


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that nobody has imported yet."""
    folder = tmp_path / "gitml_hooked"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 1\n")
    (folder / "inner.py").write_text("import gitml_hooked\nvalue = gitml_hooked.value + 1\n")
    (folder / "broken.py").write_text("raise RuntimeError('mine')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("gitml_hooked")]:
        del sys.modules[name]


def test_an_import_is_reported_once_and_leaves_no_trace(package):
    told, finders = [], list(sys.meta_path)
    for name in ("gitml_hooked", "gitml_hooked.inner", "gitml_hooked.never"):
        import_hooks.when_imported(name, "me", lambda module: told.append((module.__name__, module.value)))
    assert told == []
    assert "gitml_hooked" not in sys.modules
    inner = importlib.import_module("gitml_hooked.inner")
    importlib.import_module("gitml_hooked.inner")
    assert told == [("gitml_hooked", 1), ("gitml_hooked.inner", 2)]
    assert type(inner.__loader__).__name__ == type(inner.__spec__.loader).__name__ == "SourceFileLoader"
    assert inspect.getsource(inner).startswith("import")
    with pytest.raises(ModuleNotFoundError, match=r"gitml_hooked\.never"):
        importlib.import_module("gitml_hooked.never")
    import_hooks.forget("me")
    assert sys.meta_path == finders


def test_a_module_that_is_there_is_reported_at_once(package):
    importlib.import_module("gitml_hooked")
    told = []
    import_hooks.when_imported("gitml_hooked", "me", told.append)
    import_hooks.forget("me")
    assert told == [sys.modules["gitml_hooked"]]


def test_a_module_that_breaks_breaks_as_ever(package):
    told = []
    import_hooks.when_imported("gitml_hooked.broken", "me", told.append)
    with pytest.raises(RuntimeError, match="mine"):
        importlib.import_module("gitml_hooked.broken")
    import_hooks.forget("me")
    assert told == []
    assert "gitml_hooked.broken" not in sys.modules


def test_threads_that_import_at_the_same_time(package):
    told = []
    import_hooks.when_imported("gitml_hooked.inner", "me", told.append)
    threads = [
        threading.Thread(target=importlib.import_module, args=("gitml_hooked.inner",)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    import_hooks.forget("me")
    assert len(told) == 1


def test_a_framework_that_is_not_as_expected_works_as_ever(package, monkeypatch):
    monkeypatch.setitem(switching._FRAMEWORKS, "xgboost", ("xgboost", "2.0", ("gitml_hooked",)))
    switching.switch_one("xgboost", {})
    try:
        with pytest.warns(AutologWarning, match="trainings of xgboost are not logged"):
            importlib.import_module("gitml_hooked")
    finally:
        switching.switch_one("xgboost", {"disable": True})


def test_replaced_functions_come_back():
    class Base:
        def fit(self):
            return "base"

    class Child(Base):
        pass

    def doubled(original):
        return lambda *args: original(*args) * 2

    own = Base.fit
    patches = Patches()
    patches.replace_in_subclasses(Base, ("fit",), doubled, lambda _: True)
    patches.replace(Child, "fit", doubled)  # one that it inherits

    class Later(Base):
        def fit(self):
            return "later"

    assert (Base().fit(), Child().fit(), Later().fit()) == ("basebase", "base" * 4, "laterlater")
    patches.restore()
    assert (Base().fit(), Child().fit(), Later().fit()) == ("base", "base", "later")
    assert Base.fit is own
    assert "fit" not in vars(Child)
    assert "__init_subclass__" not in vars(Base)


def test_what_somebody_else_replaced_since_is_theirs():
    class Kind:
        def fit(self):
            return 1

    patches = Patches()
    patches.replace(Kind, "fit", lambda original: lambda self: original(self) + 1)
    ours = Kind.fit
    Kind.fit = lambda self: ours(self) * 10
    patches.restore()
    assert Kind().fit() == 20
