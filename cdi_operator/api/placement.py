"""Where pods may run: node selectors, affinities and tolerations, as core Kubernetes has them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cdi_operator.api.claims import LabelSelector
from cdi_operator.api.model import ATOMIC_LIST, ATOMIC_MAP, Int32, Int64, Model


class NodeSelectorRequirement(Model):
    """One condition on a node."""

    key: str
    """The label, or field, of the node that the condition is about."""
    operator: str
    """How it relates to the values: In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """The values; one number for Gt and Lt, none for Exists and DoesNotExist."""


class NodeSelectorTerm(Model):
    """Conditions on a node that must all hold."""

    match_expressions: Annotated[tuple[NodeSelectorRequirement, ...], ATOMIC_LIST] = ()
    """Conditions on the labels of the node."""
    match_fields: Annotated[tuple[NodeSelectorRequirement, ...], ATOMIC_LIST] = ()
    """Conditions on the fields of the node, such as metadata.name."""


class NodeSelector(Model):
    """Alternatives, one of which must hold."""

    node_selector_terms: Annotated[tuple[NodeSelectorTerm, ...], ATOMIC_LIST]
    """The alternatives."""


class PreferredSchedulingTerm(Model):
    """A preference for some nodes."""

    weight: Int32
    """How much the preference counts, from 1 to 100."""
    preference: NodeSelectorTerm
    """The nodes that are preferred."""


class NodeAffinity(Model):
    """Which nodes the pods go to."""

    required_during_scheduling_ignored_during_execution: Annotated[NodeSelector | None, ATOMIC_MAP] = None
    """Nodes that the pods may be scheduled to; no others."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredSchedulingTerm, ...], ATOMIC_LIST
    ] = ()
    """Nodes that the pods are rather scheduled to."""


class PodAffinityTerm(Model):
    """A set of other pods, and what counts as being together with them."""

    label_selector: Annotated[LabelSelector | None, ATOMIC_MAP] = None
    """Labels of the other pods."""
    match_label_keys: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """Labels in which the other pods must have the same values as the pod that is scheduled."""
    mismatch_label_keys: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """Labels in which the other pods must have other values than the pod that is scheduled."""
    namespaces: Annotated[tuple[str, ...], ATOMIC_LIST] = ()
    """Namespaces of the other pods; the pod's own when neither these nor namespaceSelector are given."""
    namespace_selector: Annotated[LabelSelector | None, ATOMIC_MAP] = None
    """Labels of the namespaces of the other pods."""
    topology_key: str
    """Label of nodes: nodes with the same value are the same place, such as kubernetes.io/hostname."""


class WeightedPodAffinityTerm(Model):
    """A preference for the places of other pods."""

    weight: Int32
    """How much the preference counts, from 1 to 100."""
    pod_affinity_term: PodAffinityTerm
    """The other pods."""


class PodAffinity(Model):
    """Which other pods the pods go together with, or keep away from."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodAffinityTerm, ...], ATOMIC_LIST] = ()
    """What must hold for a pod to be scheduled."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[WeightedPodAffinityTerm, ...], ATOMIC_LIST
    ] = ()
    """What should rather hold."""


class Affinity(Model):
    """Preferences and requirements on where pods are scheduled."""

    node_affinity: NodeAffinity | None = None
    """Which nodes the pods go to."""
    pod_affinity: PodAffinity | None = None
    """Which other pods the pods go together with."""
    pod_anti_affinity: PodAffinity | None = None
    """Which other pods the pods keep away from."""


class Toleration(Model):
    """A taint of nodes that the pods put up with."""

    key: str | None = None
    """Key of the taint; every taint when not given, with operator Exists."""
    operator: str | None = None
    """Equal (default), the value must be the same, or Exists, any value will do."""
    value: str | None = None
    """Value of the taint, for Equal."""
    effect: str | None = None
    """Effect of the taint, NoSchedule, PreferNoSchedule or NoExecute; every effect when not given."""
    toleration_seconds: Int64 | None = None
    """How long a NoExecute taint is put up with; for ever when not given."""


class NodePlacement(Model):
    """Where pods may run."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that the nodes must have."""
    affinity: Affinity | None = None
    """Preferences and requirements beyond labels of nodes."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the pods put up with."""
