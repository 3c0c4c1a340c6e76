"""The stages of a warm import (spec 2.7): which checkpoint is copied next, and what of that is noted on the claim.

A machine that runs on while its disk is copied is imported in stages: the disk as it was at a first checkpoint, then
what has changed until the next one, and so on; the last one is taken when the machine has been shut down. The list is
the user's, who appends to it while the import is under way. How far the import is, is noted on the claim that is
worked on, each step in one write, so that there is no moment in which half of it is true:

    the current checkpoint      in the list          what is noted
    none yet                    a first one          that as the current one
    not copied                  whatever             nothing: its pod is at work
    its pod is done, or was     one not copied       that as the current one; the pod's phase becomes Unknown
                                none, and final      `done`; nothing of the stages is left
                                none, not final      nothing but whose pod copied it: the import is paused

A checkpoint counts as copied by the uid of the pod that copied it, and a pod counts once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows.seen import Claim

Notes = dict[str, str | None]
"""Annotations to write; None removes."""
FIT = re.compile(r"[-A-Za-z0-9_.]{0,36}[A-Za-z0-9]")
"""What may be in the name of an annotation behind `storage.checkpoint.copied.`: 63 characters in all."""
LIST = ("checkpoints", "finalCheckpoint")
"""The fields of a DataVolume or a VolumeImportSource that make up the list."""


@dataclass(frozen=True)
class Stage:
    previous: str
    """The checkpoint that is on the disk; empty: the whole disk is copied."""
    current: str
    """The checkpoint that the stage copies."""
    final: bool
    """No other follows."""


Stages = tuple[Stage, ...]


def listed(spec: Mapping[str, Any]) -> Stages:
    """Of a DataVolume or a VolumeImportSource."""
    found = spec.get("checkpoints") or ()
    last = len(found) - 1 if spec.get("finalCheckpoint") else -1
    named = ((number, each.get("previous", ""), each.get("current", "")) for number, each in enumerate(found))
    return tuple(Stage(previous, current, number == last) for number, previous, current in named if current)


def noted(claim: Claim) -> Stage | None:
    note = claim.annotations.get
    current = note(names.CHECKPOINT_CURRENT)
    if not current:
        return None
    return Stage(note(names.CHECKPOINT_PREVIOUS, ""), current, note(names.CHECKPOINT_FINAL) == "true")


def at(claim: Claim, stages: Stages) -> Stage | None:
    """The stage that the claim is in, or is to begin with. None: its import has none, or is over.

    What was begun as a plain import ends as one, whatever is added to the list.
    """
    begun = names.CHECKPOINT_DONE in claim.annotations or names.IMPORT_POD_NAME in claim.annotations
    return noted(claim) or (None if begun else next(iter(stages), None))


def unfit(stage: Stage) -> str:
    """Why that checkpoint cannot be noted; empty when it can."""
    if FIT.fullmatch(stage.current):
        return ""
    return f"checkpoint {stage.current!r} has to be at most 37 letters, digits, '-', '_', '.', the last no sign"


def notes(stage: Stage | None) -> dict[str, str]:
    if stage is None:
        return {}
    return {
        names.CHECKPOINT_PREVIOUS: stage.previous,
        names.CHECKPOINT_CURRENT: stage.current,
        names.CHECKPOINT_FINAL: "true" if stage.final else "false",
    }


def is_copied(claim: Claim, stage: Stage) -> bool:
    return copied_key(stage.current) in claim.annotations


def has_counted(claim: Claim, pod_uid: str) -> bool:
    """That pod has copied a checkpoint."""
    return pod_uid in (value for key, value in claim.annotations.items() if is_copied_key(key))


def copied(annotations: Mapping[str, str], current: str, pod_uid: str, stages: Stages) -> Notes:
    """What to note when that pod has copied the current checkpoint."""
    mark = {copied_key(current): pod_uid}
    return {**mark, **move_on({**annotations, **mark}, stages)}


def move_on(annotations: Mapping[str, str], stages: Stages) -> Notes:
    """What to note on a claim whose current checkpoint is copied. Nothing: it is paused.

    Without a list, because somebody deleted the VolumeImportSource, the claim knows whether this was the last.
    """
    following = next((stage for stage in stages if copied_key(stage.current) not in annotations), None)
    if following is not None:
        return {**notes(following), names.POD_PHASE: "Unknown", names.IMPORT_POD_NAME: None}
    if stages[-1].final if stages else annotations.get(names.CHECKPOINT_FINAL) == "true":
        over = (names.CHECKPOINT_PREVIOUS, names.CHECKPOINT_CURRENT, names.CHECKPOINT_FINAL, names.CHECKPOINT_POD_ID)
        marks = (key for key in annotations if is_copied_key(key))
        return {**dict.fromkeys((*over, *marks)), names.CHECKPOINT_DONE: "true"}
    return {}


def copied_key(checkpoint: str) -> str:
    return f"{names.CHECKPOINT_COPIED}.{checkpoint}"


def is_copied_key(key: str) -> bool:
    return key.startswith(f"{names.CHECKPOINT_COPIED}.")
