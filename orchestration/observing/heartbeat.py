"""A sign of life to a dead-man URL after each look: by silence its watcher notices that nobody pages any more."""

import logging
import urllib.request

URL = "BATON_DEADMAN_URL"
SECONDS = 5.0


def beat(url: str | None) -> bool:
    """Call the URL; False where none is set or it does not answer, which is no reason to fail: silence is the alarm."""
    if not url:
        return False
    try:
        with urllib.request.urlopen(url, timeout=SECONDS):  # the operator's own address
            return True
    except (OSError, ValueError) as error:  # URLError is an OSError; the address is a secret and stays unsaid
        logging.getLogger(__name__).warning("the dead-man URL (%s) does not answer: %s", URL, type(error).__name__)
        return False
