"""Commands that people are shown and paste into a shell: what a yml or a supplier named is quoted, SQL first, then sh.

No value of the data ever becomes part of a command.
"""

import re
import shlex

from ml.quoting import quoted

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ACTS = frozenset('"\\$`!')  # what a shell does not leave alone between double quotes


def dotted(asset: str) -> str:
    """The relation of an asset: raw/usage_events as raw.usage_events."""
    return ".".join(part if _PLAIN.fullmatch(part) else quoted(part) for part in asset.split("/"))


def baton_sql(query: str) -> str:
    """`baton sql` with this query as one word of the shell."""
    return f"baton sql {shlex.quote(query)}" if _ACTS & set(query) else f'baton sql "{query}"'
