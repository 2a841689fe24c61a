"""Spreadsheets: read as if they were hostile, written so that nothing in them runs. Knows no columns."""
