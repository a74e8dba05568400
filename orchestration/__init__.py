"""The Dagster half of Baton: sources, dbt in process, the assets each product gets, checks, jobs, ownership gate."""
