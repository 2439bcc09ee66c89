"""OpenAPI 3.1 of everything under `api/`, from the routes and from the models that validate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from conda_store._version import __version__
from conda_store.handlers.router import Route
from conda_store.handlers.verbs import PUBLIC, Shape
from conda_store.models import ErrorAnswer

METHODS = ("get", "post", "put", "delete")
_REFERENCE = "#/components/schemas/{model}"
_NUMBERS = {"build", "other", "token"}

Key = tuple[type[BaseModel], JsonSchemaMode]
Schemas = Mapping[Any, dict[str, Any]]


def verbs_of(route: Route) -> Iterator[tuple[str, Any]]:
    """The methods that a route answers to, with their functions."""
    for method in METHODS:
        function = getattr(route.handler, method)
        if hasattr(function, "permission"):
            yield method, function


def openapi(routes: Iterable[Route], prefix: str) -> dict[str, Any]:
    """The document; its paths are relative to `prefix`."""
    described = [route for route in routes if route.path.startswith("api/")]
    schemas, definitions = models_json_schema(sorted(_models(described), key=str), ref_template=_REFERENCE)
    paths = {
        f"/{route.path}": {method: _operation(route, method, verb, schemas) for method, verb in verbs_of(route)}
        for route in described
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "conda-store", "version": __version__},
        "servers": [{"url": prefix.rstrip("/") or "/"}],
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {}), "securitySchemes": _SCHEMES},
        "security": [{}, *({name: []} for name in _SCHEMES)],
    }


_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "The token as password."},
    "session": {"type": "apiKey", "in": "cookie", "name": "conda-store-auth"},
}


def _models(routes: Iterable[Route]) -> set[Key]:
    found: set[Key] = {(ErrorAnswer, "serialization")}
    for route in routes:
        for _, verb in verbs_of(route):
            shape: Shape = verb.shape
            found |= {(one, "validation") for one in (shape.query, shape.body) if one is not None}
            if isinstance(shape.answer, type):
                found.add((shape.answer, "serialization"))
    return found


def _operation(route: Route, method: str, verb: Any, schemas: Schemas) -> dict[str, Any]:
    shape: Shape = verb.shape
    error = {"application/json": {"schema": schemas[ErrorAnswer, "serialization"]}}
    found: dict[str, Any] = {
        "operationId": _operation_id(route, method),
        "summary": (verb.__doc__ or "").strip().rstrip("."),
        "parameters": [*_path_parameters(route), *_query_parameters(shape, schemas)],
        "responses": {
            "200": {"description": "OK", "content": _content(shape, schemas)},
            "default": {"description": "Refused or failed", "content": error},
        },
    }
    if verb.permission != PUBLIC:
        found["description"] = f"Permission: {verb.permission}."
    if shape.body is not None:
        body = {"application/json": {"schema": schemas[shape.body, "validation"]}}
        found["requestBody"] = {"required": True, "content": body}
    return found


def _content(shape: Shape, schemas: Schemas) -> dict[str, Any]:
    if isinstance(shape.answer, str):
        return {shape.answer: {}}
    return {"application/json": {"schema": schemas[shape.answer, "serialization"]}} if shape.answer else {}


def _operation_id(route: Route, method: str) -> str:
    pieces = (piece.strip("{}").replace("-", "_").replace(".", "_") for piece in route.pieces[1:])
    return "_".join([method, *pieces])


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for piece in route.pieces:
        if piece.startswith("{"):
            name = piece.strip("{}")
            schema = {"type": "integer", "minimum": 1} if name in _NUMBERS else {"type": "string"}
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(shape: Shape, schemas: Schemas) -> Iterator[dict[str, Any]]:
    if shape.query is None:
        return
    for name, schema in shape.query.model_json_schema(ref_template=_REFERENCE)["properties"].items():
        yield {"name": name, "in": "query", "required": False, "schema": schema}
