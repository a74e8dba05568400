"""Texts that leave the warehouse in messages and records: without addresses, and without the values of rows."""

import re

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_QUOTES_A_VALUE = re.compile(r"(Conversion|Constraint|Invalid Input|Out of Range|Cast|Serialization) Error|ValueError")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")


def masked(text: str) -> str:
    """Without e-mail addresses, and without the values that errors about data quote."""
    plain = _EMAIL.sub("(address)", text)
    return _QUOTED.sub("'...'", plain) if _QUOTES_A_VALUE.search(plain) else plain


def one_line(text: str, room: int = 60) -> str:
    """A value as people may be shown it: in one line, cut, nothing in it that a terminal acts on."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= room else f"{flat[: room - 3]}..."
