"""`loop` and `parallel`: every dialect -> targets `body`, `done`, `branch:<name>` (FLOW_LANGUAGE §4.4)."""

from __future__ import annotations

from typing import Any

from intellyhub_engine.language.model import CONTINUE, END
from intellyhub_engine.language.parsing.bodies import DONE_KEYS, Body
from intellyhub_engine.language.parsing.regions import Region
from intellyhub_engine.language.problems import ProblemCode
from intellyhub_engine.language.spelling import did_you_mean

__all__ = ["BODY_KEYS", "normalise_loop", "normalise_parallel"]

BODY_KEYS = ("states", "body_state", "body", "do", "steps")
MODES = {"for": "items", "foreach": "items", "for_each": "items", "while": "condition"}


def normalise_loop(body: Body) -> None:
    """The body is nested states, a named sibling, or, with neither, where `transition` leads."""
    _check_mode(body)
    key = body.take(*BODY_KEYS)
    if key is not None:
        loop_body(body, key)
        body.aim_at("done", *DONE_KEYS, "transition", "success_transition")
    elif body.aim_at("body", "transition"):
        body.aim_at("done", *DONE_KEYS)
    else:
        body.findings.error(
            ProblemCode.MISSING_BODY,
            f"'{body.name}' has nothing to repeat",
            body.builder.position(body),
            state=body.name,
            expected="`states`, `body_state`, or a `transition` to the first state of the body",
        )
    if "done" not in body.targets and body.after is not None:
        body.targets["done"] = body.after
    body.aim_at("error", "error_transition", "on_error")
    body.goes_on = False


def loop_body(body: Body, key: Any) -> None:
    """What stands under the key becomes the body; whatever leaves it ends the pass."""
    value = body.source[key]
    if isinstance(value, str):
        body.aim("body", body.source, key)
        return
    region = Region({}, body.region, leave=CONTINUE, owner=body.name.rpartition("/")[2])
    start = body.builder.nest(body, body.source, key, f"{body.name}/", region, after=CONTINUE)
    if start is not None:
        body.targets["body"] = start


def _check_mode(body: Body) -> None:
    key = body.take("mode", "loop_type")
    mode = None if key is None else body.findings.text(body.source, key, f"'{key}'", body.name)
    if mode is not None and mode.strip().lower() not in MODES:
        body.findings.error(
            ProblemCode.NOT_A_CHOICE,
            f"{mode!r} is no kind of loop",
            body.findings.document.position_of(body.source, key),
            state=body.name,
            expected="`for` or `while`",
            suggestion=did_you_mean(mode, MODES),
        )
        return
    needed = MODES.get((mode or "").strip().lower())
    given = [name for name, keys in (("items", ("items",)), ("condition", ("condition", "while"))) if _any(body, keys)]
    if len(given) == 2:
        body.findings.error(
            ProblemCode.SEVERAL_BODIES,
            f"'{body.name}' has both `items` and `condition`",
            body.builder.position(body),
            state=body.name,
            expected="one of them",
            suggestion="to leave a loop over items early, go to `break`",
        )
    elif not given or (needed is not None and needed not in given):
        body.findings.error(
            ProblemCode.MISSING_PARAMETER,
            f"'{body.name}' does not say what it repeats over",
            body.builder.position(body),
            state=body.name,
            expected=f"`{needed}`" if needed else "`items` or `condition`",
        )


def _any(body: Body, keys: tuple[str, ...]) -> bool:
    return any(key in body.left and body.source[body.left[key]] is not None for key in keys)


def normalise_parallel(body: Body) -> None:
    """Branches run beside one another; with `items` it is a loop whose items do."""
    if _any(body, ("items",)):
        _map_items(body)
        return
    key = body.take("branches")
    if key is None or not isinstance(body.source[key], list | dict):
        body.findings.error(
            ProblemCode.MISSING_BODY,
            f"'{body.name}' has no branches",
            body.builder.position(body),
            state=body.name,
            expected="`branches`, a mapping of name to state or body, or a list of them; or `items` and `states`",
        )
        return
    branches = body.source[key]
    names = _branch_names(body, branches)
    for name, place in names:
        region = Region({}, body.region, leave=END, owner=body.name.rpartition("/")[2])
        _branch(body, name, branches, place, region)


def _map_items(body: Body) -> None:
    normalise_loop(body)
    body.type = "loop"
    body.spec = body.builder.spec("loop")
    if not _any(body, ("concurrency", "max_concurrency")):
        body.parameters["concurrency"] = True


def _branch_names(body: Body, branches: Any) -> list[tuple[str, Any]]:
    """(name, key) of every branch; one of a list is called by its `name`, the state it names, or its place."""
    if isinstance(branches, dict):
        return [(body.findings.document.key_text(branches, key), key) for key in branches]
    names: list[tuple[str, Any]] = []
    taken: set[str] = set()
    for index, branch in enumerate(branches):
        name = branch if isinstance(branch, str) else branch.get("name") if isinstance(branch, dict) else None
        name = name if isinstance(name, str) and name not in taken else str(index)
        taken.add(name)
        names.append((name, index))
    return names


def _branch(body: Body, name: str, branches: Any, place: Any, region: Region) -> None:
    label = f"branch:{name}"
    value = branches[place]
    if isinstance(value, str):
        body.aim(label, branches, place)
        return
    start = body.builder.nest(body, branches, place, f"{body.name}/branch/{name}/", region, after=None)
    if start is not None:
        body.targets[label] = start
