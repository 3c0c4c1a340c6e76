"""What an OpenShift has and this cluster has not: ImageStreams, as a kind whose objects a test writes whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.kubectl import Kubectl, Object

GROUP, PLURAL = "image.openshift.io", "imagestreams"
DEFINITION = f"{PLURAL}.{GROUP}"


@contextmanager
def image_streams(kubectl: Kubectl) -> Iterator[None]:
    """The cluster knows the kind while the block runs."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": GROUP,
        "names": {"kind": "ImageStream", "plural": PLURAL, "singular": "imagestream"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    meta = {"name": DEFINITION}
    kubectl.apply(
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec}
    )
    try:
        kubectl.wait(f"crd/{DEFINITION}", "condition=Established")
        yield
    finally:
        kubectl.delete("crd", DEFINITION)


def image_stream(name: str, tag: str, image: str) -> Object:
    """One whose tag stands for `image`."""
    status = {"tags": [{"tag": tag, "items": [{"dockerImageReference": image}]}]}
    return {"apiVersion": f"{GROUP}/v1", "kind": "ImageStream", "metadata": {"name": name}, "status": status}
