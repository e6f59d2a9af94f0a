"""What is asked for, as parameters of the API."""

from collections.abc import Sequence
from datetime import datetime

from notifier.core.sweep import Filters, Span

PARAMETERS = {
    "id": "id[]",
    "external_id": "external-id[]",
    "status": "status[]",
    "meeting_type": "meeting-type[]",
    "office": "office-id[]",
    "subject": "subject-id[]",
    "employee": "employee-id[]",
    "customer": "customer-id[]",
    "listing": "listing-id[]",
    "lead_segment": "lead-segment-id[]",
    "callback_request": "callback-request-id[]",
}
"""Our names of the API's filters; each is an array, and the API refuses one without the brackets."""

Query = Sequence[tuple[str, str]]
"""Names and values, in the order in which they are sent."""


def query_of(span: Span, filters: Filters) -> Query:
    """Returns the parameters that ask for a span and for what passes the filters."""
    dates = [("from", span.start), ("to", span.end)]
    query = [(name, write_time(moment)) for name, moment in dates if moment is not None]
    return query + [(PARAMETERS[name], value) for name, values in filters.items() for value in values]


def write_time(moment: datetime) -> str:
    """Returns the time as the API takes it: a capital T and a Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
