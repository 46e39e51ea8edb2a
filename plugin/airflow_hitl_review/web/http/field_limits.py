"""Limits of the REST API's input, and their declarations for the OpenAPI document. No Airflow imports.

``request_limits`` enforces the limits of whole requests; the types here are for single fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

MAX_FEEDBACK_LENGTH = 100_000
"""Characters."""

MAX_EDIT_LENGTH = 1_000_000
"""Characters of an edited output."""

MAX_CALLS = 500
"""Calls of one request of an agent."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Maximum size of a request body. An edit has 1 to 6 bytes a character, an emoji up to 12."""

MAX_BODY_DEPTH = 20
"""Maximum nesting of objects and arrays; the routes' bodies have one level."""

MAX_ID_LENGTH = 250
"""Characters of an id: the length of Airflow's columns."""

MAX_URL_LENGTH = 2000
MAX_SEARCH_LENGTH = 200
MAX_PAGE = 500
MAX_OFFSET = 2**31
MAX_NUMBER = 2**31 - 1
"""Maximum number of an output: the largest SQL integer."""


@dataclass(frozen=True)
class Declares:
    """Constraints of a string that the OpenAPI document declares and other code enforces."""

    pattern: str
    shortest: int | None = None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Pydantic's schema of the type, plus the constraints."""
        schema = {**handler(core), "pattern": self.pattern}
        return schema if self.shortest is None else {**schema, "minLength": self.shortest}


_NO_NUL = Declares(r"^[^\x00]*$")

Text = Annotated[str, _NO_NUL]
"""Any text without NUL characters, which no database stores: ``request_limits`` rejects them in all requests."""

Id = Annotated[str, StringConstraints(max_length=MAX_ID_LENGTH), _NO_NUL]
"""An id to filter a list by; it may be empty."""

OneId = Annotated[
    str, StringConstraints(max_length=MAX_ID_LENGTH), Declares(r"^([^\x00~]|[^\x00]{2,})$", shortest=1)
]
"""An id of one object; ``dependencies`` rejects an empty one and ``~`` with its own error message."""

MAP_INDEX_PATTERN = r"^(-1|[0-9]{1,9}|\{MAP_INDEX\})$"

MapIndex = Annotated[str, Declares(MAP_INDEX_PATTERN)]
"""Index of a mapped task instance, -1, or the placeholder in Airflow's links; ``dependencies`` checks it."""

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Maximum number of results")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Number of results to skip")]
