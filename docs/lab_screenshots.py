"""Pictures of the panel in JupyterLab, in light and in dark: what one sees, writes and follows beside a notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.jupyter_labs import Lab, LabVisitor, running_lab, token_of
from tests.server import Server

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SIZE = {"width": 1280, "height": 800}
DRAFT = """name: forecast
description: Tomorrow's numbers
dependencies:
  - python
  - numpy
  - pandas
  - scikit-learn
  - ipykernel
"""
Save = Callable[[bytes, str], None]


def picture_lab(server: Server, browser: Any, directory: Path, save: Save) -> None:
    """Let `save` have each picture, with its name."""
    with running_lab(directory, server.root, token_of(server, "ana")) as lab:
        for look, theme in THEMES.items():
            visitor = LabVisitor(browser, lab.url, "/", reduced_motion="reduce", viewport=SIZE)
            _show(visitor, lab, theme, lambda name, look=look, seen=visitor: save(_shot(seen), f"lab-{name}-{look}"))
            visitor.context.close()


def _show(visitor: LabVisitor, lab: Lab, theme: str, take: Callable[[str], None]) -> None:
    visitor.enter(lab, "lab?reset")
    visitor.wear(theme)
    page = visitor.page
    panel = visitor.show_panel()
    page.locator(".jp-LauncherCard:has-text('default/notebook')").first.wait_for(timeout=60_000)
    take("launcher")
    panel.locator("[data-row='data/analysis']").click()
    panel.locator(".jp-CondaStore-buildItem").first.wait_for()
    take("panel")
    visitor.menu_of("data/analysis", "Show Log")
    page.locator(".jp-CondaStore-build [data-status=COMPLETED]:visible").wait_for()
    take("build")
    visitor.menu_of("data/analysis", "Compare Builds")
    page.locator(".jp-CondaStore-difference table").first.wait_for()
    take("difference")
    _write(visitor)
    take("create")


def _write(visitor: LabVisitor) -> None:
    """Type a new environment, and see what would be installed."""
    page = visitor.page
    page.click(".jp-CondaStore-panel button[aria-label='New environment']")
    form = page.locator(".jp-CondaStore-create")
    form.locator("select").select_option("data")
    form.locator(".cm-content").click()
    page.keyboard.insert_text(DRAFT)
    form.locator("button:text-is('Check')").click()
    form.locator("table").first.wait_for(timeout=60_000)


def _shot(visitor: LabVisitor) -> bytes:
    # Nothing under the mouse, and no message that comes and goes.
    visitor.page.mouse.move(0, 0)
    visitor.page.evaluate("document.activeElement?.blur()")
    return bytes(visitor.page.screenshot())
