"""Reading what Dagster knows into the pager: at the end of a job of the command line, and by a sensor."""
