"""The documented JSON form of `check --diff`: what it adds to that of `check`. Pure."""

from typing import Any

from guardrails.check.effects import ORDER
from guardrails.check.states import State
from guardrails.cli.check_schema_parts import ANY, LINE, array, closed, texts


def diff_definitions() -> dict[str, Any]:
    """Return the definitions, by their names."""
    place = closed({"path": {"type": "string"}, "line": LINE}, "")
    effect = {"enum": [*map(str, ORDER)]}
    maybe_place = {"anyOf": [place, {"type": "null"}], "description": "Where it is in the code; null: it is not there."}
    return {
        "diff": closed(
            {
                "revision": {"type": "string", "description": "As it was given."},
                "commit": {"type": "string", "description": "The hash of that commit."},
                "changes": array({"$ref": "#/$defs/change"}, "Exemptions that the change touches."),
                "unchanged": {"type": "integer", "minimum": 0, "description": "How many it does not touch."},
                "runs": texts("Deployments that are refused, or unknown, on one side alone."),
                "findings": array({"$ref": "#/$defs/finding_state"}, "What each finding was before."),
                "unread_before": array({"$ref": "#/$defs/error"}, "What could not be read of the revision."),
                "as_before": array(
                    {"$ref": "#/$defs/error"}, "What could not be read before, either: it does not count."
                ),
            },
            "With --diff: what changed since the revision.",
        ),
        "change": closed(
            {
                "effects": array(effect, "What matters most first. unknown: it may differ, which cannot be known."),
                "exemption": {"type": "string", "description": "Its id, else its name."},
                "before": maybe_place,
                "after": maybe_place,
                "details": array({"$ref": "#/$defs/detail"}, ""),
            },
            "",
        ),
        "detail": closed(
            {
                "effect": effect,
                "at": {"type": "string", "description": "A JSON pointer into the exemption; empty for all of it."},
                "text": {"type": "string", "description": "A sentence for people."},
                "before": {**ANY, "description": "null also for what is not known."},
                "after": ANY,
                "through": array(place, "The files through which it comes, if not the exemption's own; line 0: whole."),
            },
            "",
        ),
        "finding_state": closed(
            {
                "exemption": {"type": "integer", "minimum": 0, "description": "Its number in `exemptions`, from 0."},
                "rule": {"type": "string"},
                "at": {"type": "string"},
                "state": {"enum": [*map(str, State)]},
                "counts": {"type": "boolean", "description": "The change brings it, or makes it worse."},
            },
            "",
        ),
    }
