"""Read `.gitml.yaml`: what a project asks of promotions. Strict: what is not known is an error."""

from __future__ import annotations

from collections.abc import Mapping

from gitml.entities.policy import Condition, Policy, Rule
from gitml.entities.registry import ARCHIVED, NO_STAGE, STAGES
from gitml.errors import InvalidNameError
from gitml.formats.condition import ConditionError, parse_condition
from gitml.formats.names import check_name
from gitml.formats.policy_file import PolicyFileError
from gitml.formats.registry_names import check_new_stage
from gitml.formats.serialization import FORMATS
from gitml.formats.yaml_nodes import Node, nearest

POLICY_FILE = ".gitml.yaml"
MAX_BYTES = 1 << 18
_MAX_STAGES, _MAX_APPROVALS = 50, 50


def decode_policy(data: bytes, source: str = POLICY_FILE) -> Policy:
    """Read a policy.

    Args:
        data: What the file holds.
        source: What to call it.

    Raises:
        PolicyFileError: It says something that is not known, or in another form.
    """
    if len(data) > MAX_BYTES:
        raise PolicyFileError(source, 0, f"it has {len(data):,} bytes, more than the {MAX_BYTES:,} allowed")
    top = Node.of(data, source, PolicyFileError)
    if top is None or top.is_empty:
        return Policy(source=source)
    found = top.known_pairs(("stages", "transitions", "models"))
    own = _stages(found["stages"]) if "stages" in found else ()
    known = {stage.lower(): stage for stage in (*STAGES, *own)}
    transitions = _transitions(found["transitions"], known) if "transitions" in found else {}
    rules = _rules(found["models"], known) if "models" in found else ()
    return Policy(own, transitions, rules, source)


def _stages(node: Node) -> tuple[str, ...]:
    known = {stage.lower() for stage in STAGES}
    found = []
    for item in node.items():
        name = item.text("a stage")
        if name.lower() in known:
            raise item.error(
                f"stage '{name:.100}' is there already", "stages are told apart without their case"
            )
        try:
            found.append(check_new_stage(name))
        except InvalidNameError as err:
            raise item.error(f"{err.message}", err.hint) from None
        known.add(name.lower())
    if len(found) > _MAX_STAGES:
        raise node.error(f"there are {len(found)} stages, at most {_MAX_STAGES} are allowed")
    return tuple(found)


def _stage(node: Node, name: str, known: Mapping[str, str]) -> str:
    found = known.get(name.lower())
    if found is None:
        raise node.error(f"'{name:.100}' is no stage", nearest(name, list(known.values())))
    return found


def _transitions(node: Node, known: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    sources = {**known, NO_STAGE.lower(): NO_STAGE}
    found: dict[str, tuple[str, ...]] = {}
    for name, value in node.pairs().items():
        stage = _stage(value, name, known)
        if stage == ARCHIVED:
            raise value.error("Archived can be entered from everywhere", "leave it out")
        if stage.lower() in found:
            raise value.error(f"stage '{stage}' stands twice")
        found[stage.lower()] = tuple(_stage(item, item.text("a stage"), sources) for item in value.items())
    return found


def _rules(node: Node, known: Mapping[str, str]) -> tuple[Rule, ...]:
    found: list[Rule] = []
    for model, stages in node.pairs().items():
        there: set[str] = set()
        for name, body in stages.pairs().items():
            stage = _stage(body, name, known)
            if stage == ARCHIVED:
                raise body.error("nothing can be asked of what comes into Archived", "leave it out")
            if stage in there:
                raise body.error(f"stage '{stage}' stands twice")
            there.add(stage)
            found.append(_rule(model, stage, body))
    return tuple(found)


def _rule(model: str, stage: str, node: Node) -> Rule:
    keys = ("metrics", "tags", "signers", "approvals", "formats", "clean_code", "finished")
    found = node.known_pairs(keys)
    return Rule(
        model=model,
        stage=stage,
        line=node.line,
        metrics=_metrics(found["metrics"]) if "metrics" in found else {},
        tags=_tags(found["tags"]) if "tags" in found else {},
        signers=_signers(found["signers"]) if "signers" in found else (),
        approvals=found["approvals"].number(0, _MAX_APPROVALS) if "approvals" in found else 0,
        formats=_formats(found["formats"]) if "formats" in found else (),
        clean_code=found["clean_code"].flag() if "clean_code" in found else False,
        finished=found["finished"].flag() if "finished" in found else False,
    )


def _metrics(node: Node) -> dict[str, Condition]:
    found = {}
    for key, value in node.pairs().items():
        _check(value, "metric", key)
        try:
            found[key] = parse_condition(value.text())
        except ConditionError as err:
            raise value.error(err.message, err.hint) from None
    return found


def _tags(node: Node) -> dict[str, str | None]:
    """`[reviewed, {risk: low}]`, or `{reviewed: , risk: low}`."""
    found: dict[str, str | None] = {}
    parts = node.items() if node.is_list else [node]
    for part in parts:
        if node.is_list and not part.is_mapping:
            pairs: dict[str, Node | None] = {part.text("a tag"): None}
        else:
            pairs = dict(part.pairs())
        for key, value in pairs.items():
            if key in found:
                raise part.error(f"tag '{key:.100}' stands twice")
            _check(part, "tag", key)
            found[key] = None if value is None or value.is_empty else value.text()
    return found


def _check(node: Node, kind: str, key: str) -> None:
    try:
        check_name(kind, key)
    except InvalidNameError as err:
        raise node.error(err.message, err.hint) from None


def _signers(node: Node) -> tuple[str, ...]:
    return _some(node, "a signer", "signers: [ada@example.org]")


def _formats(node: Node) -> tuple[str, ...]:
    found = _some(node, "a format", "formats: [safetensors, onnx]")
    for item in node.items():
        if item.text() not in FORMATS:
            raise item.error(f"'{item.text():.100}' is no format", nearest(item.text(), FORMATS))
    return found


def _some(node: Node, what: str, example: str) -> tuple[str, ...]:
    found = tuple(item.text(what) for item in node.items())
    if not found:
        raise node.error(f"'{node.key}' is empty, so that nothing could meet it", example)
    return found
