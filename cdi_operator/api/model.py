"""What every API object is made of: immutable values that read Kubernetes JSON and write it back unchanged.

The models are also the source of the CRDs: the docstring below a field is what `kubectl explain` says of it, and a
`Facets` in its type is what the schema says beyond the type. `schema` reads both.

Reading is lenient, since the API server has validated what it stores: unknown fields are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Facets:
    """Keywords of the CRD schema that a Python type does not express, to stand in an `Annotated`."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = {name.replace("__", "-"): value for name, value in keywords.items()}


class Model(BaseModel):
    """Attributes in snake_case, JSON in camelCase; odd names carry their alias."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    def to_json(self) -> dict[str, Any]:
        """As the API has it: what was never set, or is None, is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


Int32 = Annotated[int, Facets(format="int32")]
Int64 = Annotated[int, Facets(format="int64")]

Quantity = Annotated[
    int | str,
    Facets(
        anyOf=[{"type": "integer"}, {"type": "string"}],
        pattern=(
            r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
            r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
        ),
        x__kubernetes__int__or__string=True,
    ),
]
"""An amount with a suffix, such as 10Gi; see `cdi_operator.storage.quantity`."""

ATOMIC_LIST = Facets(x__kubernetes__list__type="atomic")
ATOMIC_MAP = Facets(x__kubernetes__map__type="atomic")
"""Server-side apply gives the whole value to one owner."""


class OwnerReference(Model):
    """An object that owns another: when the last owner goes, so does what it owns."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """Standard metadata, as far as it matters here. The API server knows its schema."""

    name: str = ""
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`."""

    name: str
    path: str
    type: Literal["string", "integer", "date"] = "string"
    wide: bool = False
    """Only with `--output wide`."""


@dataclass(frozen=True)
class Definition:
    """What the API server is told of a kind besides its schema (spec 1.0)."""

    kind: str
    plural: str
    scope: Literal["Namespaced", "Cluster"] = "Namespaced"
    group: str = "cdi.kubevirt.io"
    version: str = "v1beta1"
    deprecated_versions: tuple[str, ...] = ()
    """Still served, with the same schema and a warning."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    status_subresource: bool = False
    """Visible on the wire: where it is missing, a plain update changes status too, and clients rely on that."""
    selectable_fields: tuple[str, ...] = ()
    """Paths that `kubectl get --field-selector` may use."""
    labels: dict[str, str] = field(
        default_factory=lambda: {"app": "containerized-data-importer", "cdi.kubevirt.io": ""}
    )

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def name(self) -> str:
        """Of the CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"


class Resource(Model):
    """An object with a name of its own in the API. Each kind adds `spec` and, mostly, `status`."""

    definition: ClassVar[Definition]
    metadata: ObjectMeta

    @classmethod
    def from_json(cls, obj: Any) -> Self:
        """Reads an object of the API; `pydantic.ValidationError` when it is none of this kind's."""
        return cls.model_validate(obj)

    def to_json(self) -> dict[str, Any]:
        return {"apiVersion": self.definition.api_version, "kind": self.definition.kind, **super().to_json()}
