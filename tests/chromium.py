"""A browser for the tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserType, sync_playwright

CHROMIUM = shutil.which("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium until the block ends; the test is skipped where none is installed."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: install Debian's package `chromium`")
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


def launch(chromium: BrowserType) -> Browser:
    return chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"])
