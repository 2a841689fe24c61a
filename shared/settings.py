"""What an operator can set, by environment variables that begin with `ASAR_`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings that every service has."""

    model_config = SettingsConfigDict(env_prefix="ASAR_", extra="ignore")

    database_url: str = Field(description="PostgreSQL 15 or newer, one database per service: postgresql://…")
    owner_database_url: str = Field(
        "", description="The same database as its owner, for `migrate` only; empty is database_url."
    )
    nats_url: str = Field(description="NATS server, or several with commas: nats://user:password@host:4222")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    listen_fd: int | None = Field(
        None, ge=3, description="Number of an inherited socket that listens already; used in place of host and port."
    )
    ready_fd: int | None = Field(
        None, ge=3, description="Number of an inherited pipe, to which a line is written once requests are served."
    )
    keys_dir: Path = Field(description="Folder of the key files, readable by its owner only.")
    environment: Literal["development", "production"] = Field(
        "development", description="In production, unsafe settings are refused at start."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    otlp_endpoint: str = Field("", description="OTLP/HTTP address for traces, ending in /v1/traces; empty sends none.")
    trace_sample: float = Field(0.01, ge=0, le=1, description="Share of requests that are traced.")
    pool_size: int = Field(10, ge=2, le=200, description="Database connections at the most.")
    stream_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream in a NATS cluster: 3 in production.")
    failpoint: str = Field(
        "", description="For tests: the place at which the process dies, `point` or `point:n` for the n-th time there."
    )
    clock_ahead_s: float = Field(
        0.0, description="For tests: by how many seconds this process is wrong about the time."
    )
    organisation_name: str = Field("Asar", description="The network's name as the page shows it.")
