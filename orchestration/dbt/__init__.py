"""dbt inside the Dagster process: one parsed manifest, one build at a time, its events as Dagster events."""
