"""The plain page: the same state without a script."""

from fastapi import Request
from fastapi.responses import HTMLResponse


def page(state: bytes, language: str, request: Request) -> HTMLResponse:
    return HTMLResponse(f"<!doctype html><html lang='{language}'><title>Asar</title><pre>{state.decode()}</pre>")
