"""Reads what `plan` needs to know. The only key is CDIConfig `config`; it is observed even while it does not exist."""

from __future__ import annotations

from cdi_operator.api import annotations as names
from cdi_operator.flows import installation
from cdi_operator.flows.actions import Ref
from cdi_operator.flows.config.state import Config, State
from cdi_operator.flows.seen import Key
from cdi_operator.flows.view import View

NAME = "config"
KEY: Key = ("", NAME)


def observe(view: View, key: Key) -> State | None:
    if key != KEY:
        return None
    cdi = installation.active(view)
    return State(
        config=_config(view),
        storage_classes=tuple(sorted(each["metadata"]["name"] for each in view.all("StorageClass"))),
        owner=installation.owner(view),
        installed=((cdi or {}).get("spec") or {}).get("config") or {},
    )


def _config(view: View) -> Config | None:
    found = view.get("CDIConfig", NAME)
    if found is None:
        return None
    return Config(
        object=found,
        ref=Ref.of({"apiVersion": names.API_VERSION, "kind": "CDIConfig", **found}),
        spec=found.get("spec") or {},
        status=found.get("status") or {},
        deleting="deletionTimestamp" in found["metadata"],
    )
