"""What schemathesis has to know of this API that OpenAPI can't say."""

import json
import re
import string

import schemathesis
from hypothesis import strategies as st

NDJSON = "application/x-ndjson"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """No answer has a member that the document does not know: it says so here, not to clients, which
    have to bear what a later version adds."""
    for schema in raw_schema["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    # Its own examples have to be bytes, which JSON has not.
    raw_schema["paths"]["/api/v1/logs"]["post"]["requestBody"]["content"][NDJSON].pop("example")


@schemathesis.hook
def filter_case(context, case):
    """An export that has no time left breaks off, as it should: there is nothing to check of half a file."""
    if not case.operation.path.endswith("/export"):
        return True
    body = case.body if isinstance(case.body, dict) else {}
    asked = {**(case.query or {}), **body}.get("timeout")
    return re.fullmatch(r"[0-9]{1,4}[mM][sS]|[0-9][sS]", str(asked)) is None


# An event a line. What is none is for the tests of ingest: a body that has some is 200 or 400.
NAMES = st.sampled_from(
    ["timestamp", "level", "service", "message", "trace_id", "span_id", "error", "id", "duration_ms"]
) | st.text(string.ascii_letters + "._", max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.dictionaries(NAMES, VALUES, max_size=6).map(json.dumps)
LINES = st.lists(EVENTS, max_size=6).map("\n".join)
schemathesis.openapi.media_type(NDJSON, LINES.map(str.encode))
