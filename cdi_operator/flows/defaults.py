"""What the installation says to every flow: CDIConfig `config`, storage classes and their drivers (spec 1.5, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cdi_operator.api import annotations as names
from cdi_operator.flows import custom
from cdi_operator.flows.seen import Claim, StorageClass
from cdi_operator.flows.view import View
from cdi_operator.storage.classes import waits_for_consumer
from cdi_operator.storage.sizes import DEFAULT_OVERHEAD

HONOUR_WAIT = "HonorWaitForFirstConsumer"
"""A feature gate: claims that wait for their first consumer are left waiting (spec 2.5)."""
ADOPT_CLAIMS = "DataVolumeClaimAdoption"
"""A feature gate: a claim that has a DataVolume's name becomes its own, as it is (spec 2.6)."""


@dataclass(frozen=True)
class Proxy:
    """Through what workers reach the world (spec 5.7). An URL may hold a user and a password."""

    http: str = ""
    https: str = ""
    no_proxy: str = ""
    trusted_ca: str = ""
    """ConfigMap of the installation with the certificates (ca.crt) that vouch for what the proxy shows."""


@dataclass(frozen=True)
class Defaults:
    """CDIConfig, read. Before it exists every field is as it will be made (spec 1.5, 2.5)."""

    feature_gates: frozenset[str] = frozenset({HONOUR_WAIT})
    pod_resources: Mapping[str, Any] = field(default_factory=dict)
    pull_secrets: tuple[Mapping[str, str], ...] = ()
    insecure_registries: frozenset[str] = frozenset()
    """host[:port] of each whose certificate is not verified."""
    proxy: Proxy = Proxy()
    worker_labels: Mapping[str, str] = field(default_factory=dict)
    worker_annotations: Mapping[str, str] = field(default_factory=dict)
    preallocation: bool = False
    global_overhead: str = DEFAULT_OVERHEAD
    class_overhead: Mapping[str, str] = field(default_factory=dict)
    webhook_rendering: bool = True
    """Claims with the label applyStorageProfile are rendered by the webhook; else those of DataVolumes by us, and the
    others not at all (spec 4.8)."""
    verbosity: int = 0
    """Of the logs, as the settings say it; 0: they do not."""

    def overhead(self, storage_class: str) -> str:
        """Share of a filesystem of that class that a disk may not use, a decimal."""
        return self.class_overhead.get(storage_class, self.global_overhead)

    @property
    def honours_wait(self) -> bool:
        return HONOUR_WAIT in self.feature_gates

    @property
    def adopts_claims(self) -> bool:
        return ADOPT_CLAIMS in self.feature_gates


def defaults(view: View) -> Defaults:
    config = view.get("CDIConfig", "config")
    if config is None:
        return Defaults()
    spec, status = config.get("spec") or {}, config.get("status") or {}
    overhead = status.get("filesystemOverhead") or {}
    proxy = status.get("importProxy") or {}
    notes = config["metadata"].get("annotations") or {}
    return Defaults(
        feature_gates=frozenset(spec.get("featureGates") or ()),
        pod_resources=status.get("defaultPodResourceRequirements") or {},
        pull_secrets=tuple(status.get("imagePullSecrets") or ()),
        insecure_registries=frozenset(spec.get("insecureRegistries") or ()),
        proxy=Proxy(
            http=proxy.get("HTTPProxy") or "",
            https=proxy.get("HTTPSProxy") or "",
            no_proxy=proxy.get("noProxy") or "",
            trusted_ca=proxy.get("trustedCAProxy") or "",
        ),
        worker_labels=custom.worker_labels(notes),
        worker_annotations=custom.worker_annotations(notes),
        preallocation=bool(status.get("preallocation")),
        global_overhead=overhead.get("global") or DEFAULT_OVERHEAD,
        class_overhead=overhead.get("storageClass") or {},
        webhook_rendering=spec.get("webhookPvcRendering") != "Disabled",
        verbosity=spec.get("logVerbosity") or 0,
    )


def storage_class(view: View, name: str, claim: Claim | None = None) -> StorageClass | None:
    """The class as it is for `claim`, where there is one: a claim says when its class has been migrated (spec 4.1)."""
    found = view.get("StorageClass", name) if name else None
    if found is None:
        return None
    driver = claim.annotations.get(names.MIGRATED_TO, "") if claim else ""
    return StorageClass(
        name=name,
        provisioner=found["provisioner"],
        waits_for_consumer=waits_for_consumer(found),
        has_driver=view.get("CSIDriver", driver or found["provisioner"]) is not None,
        migrated=bool(driver),
    )
