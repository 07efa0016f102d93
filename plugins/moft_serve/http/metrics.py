"""What is counted, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ITEMS = (16, 64, 128, 256, 512, 1_024, 2_048, 4_096, 16_384)


class Metrics:
    """The metrics of one server; names begin with `moft_`."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self.requests = Counter("moft_requests", "Answered requests.", ["route", "model", "status"], registry=own)
        self.seconds = Histogram(
            "moft_request_duration_seconds", "From a request to its answer.", ["route", "model"], buckets=SECONDS, registry=own
        )
        self.in_flight = Gauge("moft_requests_in_flight", "Requests that are answered now.", registry=own)
        self.waiting = Gauge("moft_queue_queries", "Queries that wait to be scored.", registry=own)
        self.batch_queries = Histogram(
            "moft_batch_queries", "Queries that were scored together.", ["model"], buckets=COUNTS, registry=own
        )
        self.batch_documents = Histogram(
            "moft_batch_documents", "Documents that were scored together.", ["model"], buckets=ITEMS, registry=own
        )
        self.batch_seconds = Histogram(
            "moft_batch_duration_seconds", "Scoring a batch.", ["model"], buckets=SECONDS, registry=own
        )
        self.prompt_tokens = Counter("moft_prompt_tokens", "Tokens of prompts.", ["model"], registry=own)
        self.text_tokens = Counter("moft_text_tokens", "Tokens that were generated.", ["model"], registry=own)
        self.texts_running = Gauge("moft_texts_running", "Texts that are generated now.", ["model"], registry=own)
        self.texts_waiting = Gauge("moft_texts_waiting", "Texts that wait for that.", ["model"], registry=own)
        self.texts_up = Gauge("moft_text_engine_up", "Whether texts can be generated now.", ["model"], registry=own)
        self.reloads = Counter("moft_reloads", "Reloads of a run.", ["model", "outcome"], registry=own)
        self.opened = Gauge("moft_model_opened_timestamp_seconds", "When a run was opened.", ["model"], registry=own)
