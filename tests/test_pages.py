"""What people see: the page of an asset in a real browser, served as `baton ui` serves it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from company import NOW, Small
from playwright.sync_api import Page, expect, sync_playwright

from ml.home import PROJECT_ROOT
from orchestration import launch

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]


@pytest.fixture
def dagster(small: Small) -> Iterator[str]:
    """Address of Dagster for a home in which one daily run ended well."""
    assert launch.run_job(small.home, "daily", now=NOW).success
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "orchestration.cli", "ui"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as served:
        try:
            assert served.stdout is not None
            said = ""
            for line in served.stdout:
                said += line
                if found := re.search(r"Dagster: (http://127\.0\.0\.1:\d+)", line):
                    yield found[1]
                    break
            else:
                pytest.fail(f"baton ui ended before it served Dagster: {said}")
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(30)


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


def test_an_asset_says_who_answers_for_it_and_how_old_it_may_be(dagster: str, page: Page) -> None:
    page.goto(f"{dagster}/assets/staging/orders")
    for text in (
        "analytics_engineering",
        "analytics@example.com",
        "Orders, cast. One row per order.",
        "Freshness policy",
    ):
        expect(page.get_by_text(text).first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Row count").first).to_be_visible()
    page.goto(f"{dagster}/assets/staging/orders?view=checks")
    expect(page.get_by_text("amount_is_not_negative").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("data_is_fresh").first).to_be_visible()
    page.goto(f"{dagster}/automation")
    expect(page.get_by_text("daily").first).to_be_visible(timeout=30_000)
