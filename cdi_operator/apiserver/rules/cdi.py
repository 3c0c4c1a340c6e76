"""When the installation may be deleted (spec 7.3). A refusal is one sentence, without causes."""

from __future__ import annotations

from cdi_operator.flows.actions import Object

BLOCK = "BlockUninstallIfWorkloadsExist"
COUNTED = 2
"""So many DataVolumes are counted, and no more: there are some."""


def blocks_deletion(cdi: Object) -> bool:
    """Whether DataVolumes keep this installation from being deleted; one that never worked always may go."""
    phase = (cdi.get("status") or {}).get("phase") or ""
    return cdi["spec"].get("uninstallStrategy") == BLOCK and phase not in ("", "Error")


def deleted(cdi: Object, volumes: int) -> str:
    """Why not; empty when it may. `volumes`: DataVolumes of the cluster that no DataImportCron made."""
    if not blocks_deletion(cdi) or not volumes:
        return ""
    return (
        f"rejecting the uninstall request, since there are still {min(volumes, COUNTED)} DataVolumes present. "
        "Either delete all DataVolumes or change the uninstall strategy before uninstalling CDI"
    )
