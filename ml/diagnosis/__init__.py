"""The data or the model? What broke, whose it is, and the numbers that say so.

`verdict` is the type of the answer, `evidence` what it is found from, `read` reads that from the warehouse, `rules` has
the ordered tests.
"""
