"""The model half of Baton: pure Python on Arrow, pandas and scikit-learn; never imports Dagster.

In a notebook: `import ml; ml.ref("churn_performance").df()` or `ml.connect().sql("from churn.performance")`.
Both read the published copy, so they never stand in the way of a run. Heavy libraries load on first use.
"""

from ml.warehouse import connect, ref

__all__ = ["connect", "ref"]
