"""The `project` of run.yaml: how a run of a project was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitml.entities.project import EnvironmentKind, ProjectState


def encode_project_state(state: ProjectState) -> dict[str, Any]:
    """Write it as a mapping; what is absent or usual has no key."""
    facts: dict[str, Any] = {
        "entry_point": state.entry_point,
        "parameters": dict(state.parameters) or None,
        "uri": state.uri,
        "version": state.version,
        "environment": state.manager,
        "definition": None if state.definition is EnvironmentKind.NONE else state.definition.value,
        "backend": state.backend,
        "submodules": True if state.submodules else None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def decode_project_state(facts: Mapping[str, Any]) -> ProjectState:
    """Read it.

    Raises:
        KeyError: It names no entry point.
        ValueError: It names a kind of definition that there is none of.
        TypeError: A value is of another kind.
        AttributeError: Likewise.
    """
    return ProjectState(
        entry_point=str(facts["entry_point"]),
        parameters={str(key): str(value) for key, value in facts.get("parameters", {}).items()},
        uri=facts.get("uri"),
        version=facts.get("version"),
        manager=str(facts.get("environment", "local")),
        definition=EnvironmentKind(facts.get("definition", "none")),
        backend=str(facts.get("backend", "local")),
        submodules=facts.get("submodules") is True,
    )
