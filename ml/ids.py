"""Two numbers that every engine must compute alike: the bucket of an entity and the id of a prediction.

`bucket` draws entities into n equal parts for ever (holdout, folds, staggered decisions). `prediction_id` is a UUID of
RFC 9562 form 8: 48 bits of as_of in milliseconds, then 72 bits of md5 over fingerprint, role and entity. Its text sorts
by time in every engine; with ten million entities a day two ids collide once in about 100 million days.
"""

import hashlib
from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)


def bucket(text: str, n: int, salt: str) -> int:
    """0 .. n-1: the first 8 hex digits of md5(salt|text), modulo n."""
    return int(hashlib.md5(f"{salt}|{text}".encode(), usedforsecurity=False).hexdigest()[:8], 16) % n


def bucket_sql(expression: str, n: int, salt: str) -> str:
    """`bucket` of a DuckDB expression, as DuckDB SQL."""
    return f"(('0x' || substr(md5('{_quote(salt)}|' || ({expression})::varchar), 1, 8))::bigint % {n})"


def holdout_salt(product: str) -> str:
    """Salt of the draw that decides who is never acted on."""
    return f"holdout|{product}"


def holdout_sql(entity: str, share: float, product: str) -> str:
    """Whether an entity belongs to the share that is never acted on, as DuckDB SQL."""
    return f"({bucket_sql(entity, 10_000, holdout_salt(product))} < {10_000 * share})"


def prediction_id(entity: str, as_of: datetime, fingerprint: str, role: str) -> str:
    """Id of one score, 36 characters; `as_of` is naive UTC."""
    milliseconds = (as_of - EPOCH) // timedelta(milliseconds=1)
    digest = hashlib.md5(f"{fingerprint}|{role}|{entity}".encode(), usedforsecurity=False).hexdigest()
    time = f"{milliseconds:012x}"
    return f"{time[:8]}-{time[8:]}-8{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"


def prediction_id_sql(entity: str, as_of: str, fingerprint: str, role: str) -> str:
    """`prediction_id` of DuckDB expressions, as DuckDB SQL of type uuid."""
    digest = f"md5('{_quote(fingerprint)}|{_quote(role)}|' || ({entity})::varchar)"
    time = f"lpad(lower(to_hex(epoch_us({as_of}) // 1000)), 12, '0')"
    return f"({time} || '8' || substr({digest}, 1, 3) || '8' || substr({digest}, 4, 15))::uuid"


def _quote(text: str) -> str:
    return text.replace("'", "''")
