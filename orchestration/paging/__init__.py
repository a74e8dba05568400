"""Paging: observations in, incidents and messages out. No Dagster in here, and no clock: `now` is handed in."""
