"""The data or the model? What broke, whose it is, and the numbers that say so.

`verdict` is the type of the answer.
"""
