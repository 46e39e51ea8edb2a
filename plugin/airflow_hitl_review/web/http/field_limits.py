"""The limits of what the REST API takes, and how its OpenAPI document says them. No Airflow imports.

``request_limits`` holds to those of whole requests; the types here are for single fields.
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

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Of a request. The largest of use is the longest feedback, written with 12 bytes for each character: 1.2 MB."""

MAX_BODY_DEPTH = 20
"""Objects and lists within each other; what the routes take has one level."""

MAX_ID_LENGTH = 250
"""Characters of an id: Airflow's own columns are as long."""

MAX_URL_LENGTH = 2000
MAX_SEARCH_LENGTH = 200
MAX_PAGE = 500
MAX_OFFSET = 2**31
MAX_NUMBER = 2**31 - 1
"""Of an output: a database's integer."""


@dataclass(frozen=True)
class Declares:
    """What the document says of a text, and what somebody else holds to."""

    pattern: str
    shortest: int | None = None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What pydantic makes of the type, and that."""
        schema = {**handler(core), "pattern": self.pattern}
        return schema if self.shortest is None else {**schema, "minLength": self.shortest}


_NO_NUL = Declares(r"^[^\x00]*$")

Text = Annotated[str, _NO_NUL]
"""Any text but NUL characters, which no database stores: ``request_limits`` refuses them in all that is sent."""

Id = Annotated[str, StringConstraints(max_length=MAX_ID_LENGTH), _NO_NUL]
"""An id that a list is searched for; it may be empty."""

OneId = Annotated[
    str, StringConstraints(max_length=MAX_ID_LENGTH), Declares(r"^([^\x00~]|[^\x00]{2,})$", shortest=1)
]
"""An id that names one thing. ``dependencies`` refuses an empty one, and ``~``, in words of its own."""

MAP_INDEX_PATTERN = r"^(-1|[0-9]{1,9}|\{MAP_INDEX\})$"

MapIndex = Annotated[str, Declares(MAP_INDEX_PATTERN)]
"""Index of a mapped task instance, or -1; or Airflow's placeholder, as in its links. ``dependencies`` checks it."""

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="At most so many")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Leave out so many first")]
