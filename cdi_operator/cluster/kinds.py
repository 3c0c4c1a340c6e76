"""The kinds we speak of and where the API serves them: a table instead of discovery calls at every start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdi_operator.api.annotations import API_VERSION


@dataclass(frozen=True)
class Kind:
    name: str
    api_version: str
    plural: str
    namespaced: bool = True
    status_subresource: bool = True
    """False: status is written with the object itself (spec 1.0)."""

    @property
    def group(self) -> str:
        """Empty for the core group."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Below the API server's address. Without a namespace: all of them."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [self.plural, name, subresource]
        return "/".join(part for part in parts if part)


def _kinds() -> tuple[Kind, ...]:
    cluster = False
    cdi = API_VERSION
    storage = "storage.k8s.io/v1"
    admission = "admissionregistration.k8s.io/v1"
    return (
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Event", "v1", "events"),
        Kind("Namespace", "v1", "namespaces", cluster),
        Kind("PersistentVolume", "v1", "persistentvolumes", cluster),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("Pod", "v1", "pods"),
        Kind("Secret", "v1", "secrets"),
        Kind("Ingress", "networking.k8s.io/v1", "ingresses"),
        Kind("Lease", "coordination.k8s.io/v1", "leases"),
        Kind("MutatingWebhookConfiguration", admission, "mutatingwebhookconfigurations", cluster),
        Kind("ValidatingWebhookConfiguration", admission, "validatingwebhookconfigurations", cluster),
        Kind("CSIDriver", storage, "csidrivers", cluster),
        Kind("StorageClass", storage, "storageclasses", cluster),
        Kind("VolumeSnapshotClass", "snapshot.storage.k8s.io/v1", "volumesnapshotclasses", cluster),
        Kind("Infrastructure", "config.openshift.io/v1", "infrastructures", cluster),
        Kind("Proxy", "config.openshift.io/v1", "proxies", cluster),
        Kind("ImageStream", "image.openshift.io/v1", "imagestreams"),
        Kind("Route", "route.openshift.io/v1", "routes"),
        Kind("SubjectAccessReview", "authorization.k8s.io/v1", "subjectaccessreviews", cluster),
        Kind("TokenReview", "authentication.k8s.io/v1", "tokenreviews", cluster),
        Kind("CDI", cdi, "cdis", cluster, status_subresource=False),
        Kind("CDIConfig", cdi, "cdiconfigs", cluster, status_subresource=False),
        Kind("DataVolume", cdi, "datavolumes"),
        Kind("StorageProfile", cdi, "storageprofiles", cluster),
        Kind("VolumeImportSource", cdi, "volumeimportsources", status_subresource=False),
    )


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _kinds()}
