"""From a model to the structural schema of its CRD.

Pydantic's own JSON schema shares definitions by reference and says "anyOf null" for what may be missing; a structural
schema has neither. So the fields are walked here: a type gives the keywords, `Facets` add to them, and a docstring is
the description.
"""

from __future__ import annotations

from datetime import datetime
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from cdi_operator.api.model import Facets, Model, ObjectMeta, Resource

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    datetime: {"type": "string", "format": "date-time"},
    ObjectMeta: {"type": "object"},
}

_TYPE_META: Schema = {
    "apiVersion": {
        "description": "Group and version of the object, such as cdi.kubevirt.io/v1beta1.",
        "type": "string",
    },
    "kind": {"description": "Kind of the object.", "type": "string"},
}


def resource_schema(resource: type[Resource]) -> Schema:
    """The schema of a whole object. Only the spec is required: the API server knows the rest."""
    schema = object_schema(resource)
    return {**schema, "properties": _TYPE_META | schema["properties"], "required": ["spec"]}


def object_schema(model: type[Model]) -> Schema:
    fields = {_json_name(name, field): field for name, field in model.model_fields.items()}
    schema: Schema = {"description": cleandoc(model.__doc__ or ""), "type": "object"}
    if fields:
        schema["properties"] = {name: _field_schema(fields[name]) for name in sorted(fields)}
    if required := sorted(name for name, field in fields.items() if field.is_required()):
        schema["required"] = required
    return schema


def _field_schema(field: FieldInfo) -> Schema:
    """What the field says of itself goes before what its type says."""
    schema = _schema_of(field.annotation) | _keywords(field.metadata)
    if field.description is None:
        return schema
    return {
        "description": field.description,
        **{name: value for name, value in schema.items() if name != "description"},
    }


def _schema_of(annotation: Any) -> Schema:
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _schema_of(arguments[0]) | _keywords(arguments[1:])
    if origin is Literal:
        return {"enum": list(arguments), "type": "string"}
    if origin is tuple:
        return {"items": _schema_of(arguments[0]), "type": "array"}
    if origin is dict:
        values = {} if arguments[1] is Any else {"additionalProperties": _schema_of(arguments[1])}
        return {"type": "object", **values}
    if origin in (Union, UnionType):
        return _schema_of_union([each for each in arguments if each is not NoneType])
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return object_schema(annotation)
    raise TypeError(f"no structural schema for {annotation!r}")


def _schema_of_union(alternatives: list[Any]) -> Schema:
    """A field that may be missing has the schema of its type; int | str gets its own from its `Facets`."""
    if len(alternatives) == 1:
        return _schema_of(alternatives[0])
    if set(alternatives) == {int, str}:
        return {}
    raise TypeError(f"no structural schema for a choice of {alternatives!r}")


def _keywords(metadata: Any) -> Schema:
    found: Schema = {}
    for each in metadata:
        if isinstance(each, Facets):
            found |= each.keywords
    return found


def _json_name(name: str, field: FieldInfo) -> str:
    return field.alias or name
