"""Pictures of all pages, in light, in dark and at a phone's width, and of JupyterLab, with real servers and builds."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from conda_store.client import Client
from conda_store.demo.base_image import make_base_image
from conda_store.demo.sample_channel import make_sample_channel
from conda_store.executors.local import LocalExecutor
from conda_store.pieces.bytecode import machine_platform
from docs.lab_screenshots import picture_lab
from tests.people import peopled, secret_of
from tests.server import Server
from tests.visitors import Visitor, chromium

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
WIDE, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}
LOOKS = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
}
#: What is built, in this order: namespace, name, description, dependencies.
BUILDS = [
    ("data", "analysis", "Arrays and tables for everybody", ["python", "numpy <2", "pandas"]),
    ("data", "analysis", "Arrays and tables for everybody", ["python", "numpy >=2", "pandas"]),
    ("data", "learning", "Models of yesterday's data", ["python", "numpy", "pandas", "scikit-learn"]),
    ("teaching", "web-course", "A small web service, for lesson 4", ["python", "flask", "requests"]),
    ("teaching", "too-new", "What nobody has yet", ["python", "numpy >=9"]),
    ("default", "notebook", "A kernel for Jupyter", ["python", "ipykernel"]),
]
DRAFT = """name: forecast
description: Tomorrow's numbers
dependencies:
  - python
  - numpy
  - pandas
  - scikit-learn
"""
PAGES = {
    "environments": "",
    "search": "?search=numpy&sort=newest",
    "environment": "environment/data/analysis/",
    "builds": "environment/data/analysis/builds/",
    "edit": "environment/data/analysis/edit/",
    "environment-access": "environment/data/analysis/access/",
    "build": "build/3/",
    "failed-build": "build/5/",
    "difference": "build/1/diff/2/",
    "delete": "environment/data/analysis/delete/",
    "create": "create/",
    "namespaces": "namespace/",
    "namespace": "namespace/data/",
    "settings": "namespace/data/settings/",
    "access": "namespace/data/access/",
    "environment-settings": "environment/data/analysis/settings/",
    "user": "user/",
    "queue": "admin/",
    "storage": "admin/storage/?plan=yes",
    "audit": "admin/audit/",
    "configuration": "admin/configuration/",
    "deployment": "admin/settings/",
    "docs": "docs/",
    "document": "docs/permissions/",
    "api": "docs/api/",
    "missing": "environment/data/nothing/",
    "login": "login/",
}


@contextmanager
def served(directory: Path) -> Iterator[Server]:
    """A server that builds from the sample channel."""
    channel = make_sample_channel(ROOT / ".cache" / "sample-channel").as_uri()
    base = make_base_image(ROOT / ".cache" / "base-image", machine_platform())
    options: dict[str, Any] = {
        "prefix": "/",
        "executor_class": LocalExecutor,
        "default_channels": [channel],
        "allowed_channels": [channel],
        "ImageBuilder__base_image": f"oci:{base.relative_to(ROOT)}",
        "PeopleAuthenticator__grants": {"ana": {"*/*": "admin"}},
    }
    with peopled(directory, {"ana": ["data"]}, **options) as server:
        yield server


def build(server: Server) -> None:
    """Make what is shown."""
    with Client(server.root, token=secret_of("ana")) as client:
        for namespace, name, description, dependencies in BUILDS:
            listed = "".join(f"  - {one}\n" for one in dependencies)
            text = f"name: {name}\ndescription: {description}\ndependencies:\n{listed}"
            client.wait(client.create(text, namespace=namespace))


def show(visitor: Visitor, name: str) -> None:
    """Load a page, and bring it to the state that its picture is of."""
    visitor.open(PAGES[name])
    if name == "create":
        visitor.page.fill("#namespace", "data")
        visitor.page.click(".cm-content")
        visitor.page.keyboard.insert_text(DRAFT)
        visitor.click("Check")
        visitor.page.mouse.move(0, 0)
        visitor.page.wait_for_selector("#outcome table")
    if "build" in PAGES[name] and "diff" not in PAGES[name] and name != "builds":
        visitor.page.wait_for_selector("#log:not(:empty)")


def save(picture: bytes, name: str) -> None:
    """Small, and with all its colours: a palette would lose those of a few pixels, such as those of a state."""
    Image.open(io.BytesIO(picture)).convert("RGB").save(TARGET / f"{name}.png", optimize=True)


def main() -> None:
    """Write them all."""
    TARGET.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="conda-store-") as folder,
        served(Path(folder)) as server,
        chromium() as browser,
    ):
        build(server)
        for look, options in LOOKS.items():
            visitor = Visitor(browser, server.root, "/", reduced_motion="reduce", **options)
            visitor.sign_in("ana")
            for name in PAGES:
                show(visitor, name)
                save(visitor.page.screenshot(full_page=look == "phone"), f"{name}-{look}")
            visitor.context.close()
        picture_lab(server, browser, Path(folder, "lab"), save)
    print(f"{len(list(TARGET.glob('*.png')))} pictures are in {TARGET.relative_to(ROOT)}/")


if __name__ == "__main__":
    main()
