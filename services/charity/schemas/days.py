"""Days that forms ask for."""

from typing import Any

from pydantic import Field

Today: Any = Field(None, description="Today when absent; the day on the paper otherwise.")
