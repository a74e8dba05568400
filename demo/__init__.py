"""The demo company: a deterministic generator that plays production systems day by day, with a known truth.

Nothing outside this folder imports it: the loader finds it through the `writer` line of
`dbt_project/models/sources/demo_company.yml`, the summary of a run through `best_reachable` in
`dbt_project/models/exposures.yml`. Deleting the folder and that file removes the demo.
"""
