"""Read what a program sent: strict JSON, known fields, bounded depth; and say every field that was wrong.

Numbers with a fraction are read as decimals, so 10.1 is 10.1 and never 10.0999…; a name twice in an object,
NaN and half characters are refused, for nobody can know what they meant.
"""

import json
import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any, NoReturn

from apiflask.schema_adapters.pydantic import PydanticAdapter
from flask import Request
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from api.errors import FieldError, InvalidFields

DEEPEST = 6
SHOWN = 40
FORM = "application/x-www-form-urlencoded"
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# Pydantic's error types in our words; {…} is filled from the error's context.
WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} characters",
    "string_pattern_mismatch": "is not well-formed",
    "string_unicode": "holds characters that are none",
    "too_long": "has more than {max_length} entries",
    "too_short": "is empty",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class StrictAdapter(PydanticAdapter):
    """How APIFlask reads the input of a route that is declared with a pydantic model."""

    def validate_input(self, request: Request, location: str, **kwargs: Any) -> BaseModel:
        """The input as the model; raises InvalidFields with all that was wrong."""
        from_form = getattr(self.model_class, "from_form", None)
        if location == "json" and from_form is not None and request.mimetype == FORM:
            data = from_form(read_form(request))
        elif location == "json":
            data = read_json(request, list if issubclass(self.model_class, RootModel) else dict)
        elif location == "path":
            data = dict(request.view_args or {})
        else:
            data = read_args(request, lists_of(self.model_class))
        try:
            return self.model_class.model_validate(data)
        except ValidationError as error:
            raise InvalidFields(field_error(one) for one in error.errors(include_url=False)) from None


def read_json(request: Request, shape: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """A request's body, an object or a list; raises BadRequest, UnsupportedMediaType or InvalidFields."""
    if not request.is_json:
        raise UnsupportedMediaType("send JSON with the header Content-Type: application/json")
    body = request.get_data(cache=shape is list)  # who posts lists may sign them as they stand
    try:
        data = json.loads(
            body.decode("utf-8"), parse_float=Decimal, parse_constant=no_constant, object_pairs_hook=no_twins
        )
    except UnicodeDecodeError:
        raise BadRequest("the body is not UTF-8") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(data, shape):
        raise InvalidFields([FieldError("", f"send a JSON {'list' if shape is list else 'object'}")])
    check_shape(data, 1)
    return data


def read_form(request: Request) -> dict[str, str]:
    """A form's fields; raises BadRequest for half characters, InvalidFields for a field that is given twice."""
    fields = each_once(request.form)
    check_shape(fields, 1)
    return fields


def lists_of(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a model that are lists: what may be given several times in a query."""
    return frozenset(
        field.alias or name for name, field in model.model_fields.items() if "list[" in str(field.annotation)
    )


def read_args(request: Request, several: Collection[str] = ()) -> dict[str, Any]:
    """A request's query, lists for what may be given several times; raises InvalidFields for the rest given twice."""
    lists = {name: request.args.getlist(name) for name in several if name in request.args}
    return each_once(MultiDict([pair for pair in request.args.items(multi=True) if pair[0] not in lists])) | lists


def each_once(given: MultiDict[str, str]) -> dict[str, Any]:
    """The values by their names; raises InvalidFields for a name that is given twice."""
    twice = [name for name, values in given.lists() if len(values) > 1]
    if twice:
        raise InvalidFields(FieldError(name[:SHOWN], "is given twice") for name in twice)
    return given.to_dict()


def no_constant(name: str) -> NoReturn:
    """JSON has no NaN and no Infinity, though Python's reader would take them."""
    raise ValueError(f"{name} is no number")


def no_twins(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:SHOWN]!r} stands twice in one object")
        found[name] = value
    return found


def check_shape(value: Any, depth: int) -> None:
    """Refuse what is nested deeper than any of our bodies, and half characters, which no database stores."""
    if isinstance(value, str):
        if HALF_CHARACTER.search(value):
            raise BadRequest("the body holds half of a character (an unpaired surrogate)")
    elif isinstance(value, dict | list):
        if depth > DEEPEST:
            raise BadRequest("the body is nested too deeply")
        if isinstance(value, dict):
            for name in value:
                check_shape(name, depth)
        for inner in value.values() if isinstance(value, dict) else value:
            check_shape(inner, depth + 1)


def field_error(error: ErrorDetails) -> FieldError:
    """One of pydantic's errors in our words, under the field's path: costs.3.amount."""
    context = error.get("ctx", {})
    path = [str(part)[:SHOWN] for part in error["loc"]]
    if "field" in context:
        path.append(str(context["field"]))
    words = WORDS.get(error["type"])
    return FieldError(".".join(path), words.format(**context) if words else error["msg"])
