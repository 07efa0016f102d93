"""How much a client may ask, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    Args:
        max_body_bytes: size of the body of a request; a larger one gets 413.
        max_queries: queries of a request.
        max_documents: documents of a query.
        max_requests: requests that are answered at a time, those that wait among them; more get 429.
        max_batch_documents: documents that are scored together; a request with more is a batch of its own.
        timeout: seconds until a request gets 504, and that its body may take to arrive, else 408.
        shutdown_timeout: seconds that a stop waits for the requests that were accepted.
        max_tokens: of a generated text.
        max_texts: that a request may ask for.
        text_timeout: seconds until the texts of a request get 504.
    """

    max_body_bytes: int = 8 * 2**20
    max_queries: int = 256
    max_documents: int = 2_000
    max_requests: int = 256
    max_batch_documents: int = 4_096
    timeout: float = 30.0
    shutdown_timeout: float = 30.0
    max_tokens: int = 1_024
    max_texts: int = 16
    text_timeout: float = 300.0
