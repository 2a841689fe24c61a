"""What every process tells Prometheus at `/metrics`. Labels have few values, and none that tells of a person.

What is expensive to know is looked up when it is asked for (`Process.report`); what a request costs is an addition.
"""

from prometheus_client import Counter, Gauge, Histogram, Info

BUILD = Info("asar_build", "Which version of Asar this process runs")

# --- requests ---------------------------------------------------------------------------------------------------------

REQUESTS = Counter("asar_requests_total", "Requests answered", ["method", "route", "status"])
LATENCY = Histogram(
    "asar_request_seconds",
    "Time to the first byte of the answer",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_PROGRESS = Gauge("asar_requests_in_progress", "Requests that are being answered at this moment")
PROBLEMS = Counter("asar_problems_total", "Problem documents answered, by their code", ["code"])
REPLAYS = Counter("asar_idempotent_replays_total", "Repeats of a request that were given its first answer")

# --- database ---------------------------------------------------------------------------------------------------------

DATABASE_UP = Gauge("asar_database_up", "Whether the service's database answered at this look: 1 or 0")
DATABASE_BYTES = Gauge("asar_database_bytes", "Size of the service's database on disk")
CONNECTIONS = Gauge("asar_database_connections", "Connections of this process to its database", ["database", "state"])
CONNECTIONS_MAX = Gauge("asar_database_connections_max", "Connections that it may have at the most", ["database"])
WAITED = Histogram(
    "asar_database_wait_seconds",
    "How long transactions waited for a free connection, where it was longer than 5 ms",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# --- messages: announcing ---------------------------------------------------------------------------------------------

NATS_UP = Gauge("asar_nats_up", "Whether this process is connected to NATS: 1 or 0; NaN where it need not be")
UNSENT = Gauge("asar_outbox_unsent", "Announced messages that are not yet in the stream")
UNSENT_AGE = Gauge("asar_outbox_oldest_unsent_seconds", "Age of the oldest announced message not yet in the stream")
ANNOUNCED = Gauge("asar_outbox_messages", "Messages ever announced, sent or not, by what they are about", ["noun"])
PUBLISHED = Counter("asar_messages_published_total", "Messages published by this relay")
REPUBLISHED = Counter("asar_messages_republished_total", "Messages that the audit found missing in the stream")
AUDITED_AT = Gauge(
    "asar_outbox_audited_timestamp_seconds", "When this process last compared the stream with the outbox; 0 if never"
)

# --- messages: applying -----------------------------------------------------------------------------------------------

TAKEN_IN = Gauge(
    "asar_inbox_messages", "Messages ever applied, by what they are about: less than were announced, some are missing",
    ["consumer", "noun"],
)  # fmt: skip
APPLIED = Counter("asar_messages_applied_total", "Messages applied", ["consumer"])
DUPLICATES = Counter("asar_messages_duplicate_total", "Messages delivered again and skipped", ["consumer"])
FAILURES = Counter("asar_messages_failed_total", "Messages whose handler failed, and that were parked", ["consumer"])
PARKED = Gauge(
    "asar_messages_parked", "Messages that wait for a predecessor (gap) or for an operator (failed)",
    ["consumer", "reason"],
)  # fmt: skip
LAG = Gauge("asar_consumer_lag", "Messages that NATS has not delivered yet, by its own count", ["consumer", "stream"])
PAGE_MESSAGES = Histogram(
    "asar_consumer_page_messages", "Messages applied in one transaction", ["consumer"],
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
)  # fmt: skip
PAGE_SECONDS = Histogram("asar_consumer_page_seconds", "Time to apply and commit a page", ["consumer"])
DELAY = Histogram(
    "asar_consumer_delay_seconds", "From a fact's being recorded to its being applied, of the first in each page",
    ["consumer"], buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600),
)  # fmt: skip

# --- jobs -------------------------------------------------------------------------------------------------------------

JOBS = Gauge("asar_jobs_open", "Jobs, such as imports, that have not ended", ["kind"])
JOBS_AGE = Gauge("asar_jobs_oldest_due_seconds", "For how long the job that has waited longest has been due", ["kind"])
JOB_ROWS = Counter("asar_job_rows_total", "Rows of jobs done, by what became of them", ["kind", "outcome"])
JOB_FAILURES = Counter("asar_job_failures_total", "Pages of jobs that failed by a mistake of ours", ["kind"])
