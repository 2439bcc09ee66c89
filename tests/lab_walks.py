"""What people do in JupyterLab with the panel, step by step; each step ends when the next can begin."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import httpx

from tests.jupyter_labs import LabVisitor

FILE = "name: course\ndescription: Arrays for lesson 4\ndependencies:\n  - python\n  - numpy >=2\n  - ipykernel\n"
BUILD_SECONDS = 180
KERNEL_IS_THERE = """() => {
    const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
VERSION = "import numpy; print(numpy.__version__)"


def create_from_file(visitor: LabVisitor, work: Path, namespace: str) -> None:
    """By the context menu of the file browser, which shows `work`."""
    page = visitor.page
    (work / "environment.yaml").write_text(FILE)
    visitor.show_files()
    page.evaluate("window.jupyterapp.commands.execute('filebrowser:refresh').then(() => null)")
    page.click(".jp-DirListing-item:has-text('environment.yaml')", button="right")
    visitor.choose("Create conda-store Environment…")
    form = page.locator(".jp-CondaStore-create")
    form.locator("select").select_option(namespace)
    form.locator("button:text-is('Create')").click()


def follow_to_the_end(visitor: LabVisitor, environment: str) -> int:
    """The log comes while the build runs, and a notification when it ends; the number of the build."""
    page = visitor.page
    tab = page.locator(".jp-CondaStore-build:visible")
    tab.locator("[data-status=QUEUED], [data-status=BUILDING]").wait_for()
    tab.locator(".jp-CondaStore-lines:has-text('solve: ')").wait_for(timeout=BUILD_SECONDS * 1000)
    running = tab.locator("[data-status=BUILDING]").count()
    tab.locator("[data-status=COMPLETED]").wait_for(timeout=BUILD_SECONDS * 1000)
    assert running, "the log came only when the build had ended"
    (build,) = re.findall(r"build (\d+)", tab.locator("h1").inner_text())
    page.wait_for_selector(f".Toastify__toast:has-text('{environment}: build {build} is ready')")
    return int(build)


def open_notebook(visitor: LabVisitor, environment: str) -> None:
    """The launcher has the kernel within ten seconds, without a reload."""
    page = visitor.page
    visitor.launch()
    card = page.locator(f".jp-Launcher:visible .jp-LauncherCard[data-category='Notebook']:has-text('{environment}')")
    card.wait_for(timeout=10_000)
    card.click()
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-CodeCell .cm-content")


def evaluate(visitor: LabVisitor, code: str) -> str:
    """What the last cell of the notebook in front says to `code`."""
    page = visitor.page
    notebook = page.locator(".jp-NotebookPanel:visible")
    # JupyterLab forgets what is run before there is a kernel.
    page.wait_for_function(KERNEL_IS_THERE, timeout=60_000)
    notebook.locator(".jp-CodeCell .cm-content").last.click()
    before = notebook.locator(".jp-OutputArea-output pre").count()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    found = notebook.locator(".jp-OutputArea-output pre").nth(before)
    found.wait_for(timeout=60_000)
    return str(found.inner_text()).strip()


def copies_what_the_registry_has(visitor: LabVisitor, environment: str, registry: str, headers: dict[str, str]) -> None:
    """The commands in the clipboard name what the registry at `registry` answers with."""
    host = registry.partition("//")[2]
    visitor.show_panel()
    visitor.menu_of(environment, "Copy docker pull")
    visitor.page.wait_for_selector(".Toastify__toast:has-text('Copied: docker pull')")
    command = visitor.clipboard()
    match = re.fullmatch(rf"docker pull {re.escape(host)}/(\S+):([^:\s]+)", command)
    assert match, command
    answer = httpx.get(f"{registry}/v2/{match[1]}/manifests/{match[2]}", headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text
    digest = answer.headers["Docker-Content-Digest"]
    visitor.menu_of(environment, "Copy docker pull by Digest")
    visitor.page.wait_for_selector(f".Toastify__toast:has-text('{digest}')")
    assert visitor.clipboard() == f"docker pull {host}/{match[1]}@{digest}"


def downloads_the_archive(visitor: LabVisitor, environment: str, work: Path) -> None:
    """Through the browser, and into the folder that the file browser shows."""
    with visitor.page.expect_download(timeout=60_000) as download:
        visitor.menu_of(environment, "Download Archive (conda-pack)")
    with tarfile.open(download.value.path()) as archive:
        names = set(archive.getnames())
    assert "bin/python" in names and any(name.startswith("conda-meta/numpy-") for name in names)
    visitor.menu_of(environment, "Save Archive (conda-pack) Here")
    visitor.page.wait_for_selector(".Toastify__toast:has-text('Saved as')", timeout=60_000)
    (saved,) = work.glob("*.tar.gz")
    assert saved.read_bytes() == Path(download.value.path()).read_bytes()
    visitor.show_files()
    visitor.page.wait_for_selector(f".jp-DirListing-item:has-text('{saved.name}')")
