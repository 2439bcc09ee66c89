"""Starts the kernel of an environment: finds the build, brings its prefix here, activates it, executes what it says."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from tornado.web import HTTPError
from traitlets import Integer, Unicode

from conda_store.client import Client, RunnableBuild, ServerBusy, ServerUnreachable
from conda_store.errors import BadInput, CondaStoreError
from conda_store_labextension.activation import activated
from conda_store_labextension.kernel_names import KernelName
from conda_store_labextension.kernels import CondaStoreKernelSpecManager
from conda_store_labextension.prefixes import read_kernel


class NotStarted(HTTPError):
    """Why a kernel does not start: Jupyter shows the message of an HTTP error to people, and of others none."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class CondaStoreProvisioner(LocalProvisioner):
    """A local process in a prefix of conda-store. Which build is current is asked at every start and restart."""

    namespace = Unicode(help="Namespace of the environment, as the specification of the kernel says.").tag(config=True)
    environment = Unicode(help="Name of the environment, as the specification of the kernel says.").tag(config=True)
    kernel = Unicode(help="Which kernel of the environment; empty for its first one, as in its name.").tag(config=True)
    build = Integer(help="Number of a pinned build, and 0 for the one that is current at the start.").tag(config=True)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Everything that takes long happens in a thread; what fails says why to whoever started the kernel."""
        environ = dict(kwargs.pop("env", None) or os.environ)
        try:
            kwargs["env"] = await asyncio.to_thread(self._prepare, environ)
        except CondaStoreError as error:
            self.log.warning("conda-store: %s does not start: %s", self.name, error)
            raise NotStarted(str(error)) from error
        return await super().pre_launch(**kwargs)

    @property
    def name(self) -> KernelName:
        """What is started."""
        return KernelName(self.namespace, self.environment, self.kernel, self.build)

    def _prepare(self, environ: dict[str, str]) -> dict[str, str]:
        """Let the specification say what to execute; the variables to execute it with."""
        manager = self._manager()
        with manager.client() as client:
            build = self._find_build(manager, client)
            prefix = manager.prefixes.ensure(build, client, manager.connection.credential())
        title = f"{self.name.subject} (build {build.build_id})"
        directory, said = read_kernel(prefix, self.kernel, title)
        found = activated(prefix, self.name.subject, environ)
        self._say(build, prefix, directory, said, found)
        self.log.info("conda-store: %s runs in %s", title, prefix)
        return found

    def _manager(self) -> CondaStoreKernelSpecManager:
        manager = getattr(self.parent, "kernel_spec_manager", None)
        if not isinstance(manager, CondaStoreKernelSpecManager):
            manager = CondaStoreKernelSpecManager(parent=self.parent)
        if not manager.active:
            raise BadInput("Kernels of conda-store are switched off, or no server is named: choose another kernel.")
        return manager

    def _find_build(self, manager: CondaStoreKernelSpecManager, client: Client) -> RunnableBuild:
        wanted = [self.build] if self.build else []
        try:
            rows = client.kernels(self.namespace, self.environment, wanted)
        except (ServerUnreachable, ServerBusy):
            known = manager.last_known(self.name)
            if known is None and not self.build:
                raise
            # A build whose number is known may be in the cache, whoever brought it there.
            return known or RunnableBuild(self.namespace, self.environment, self.build, False, None, None, ())
        for one in rows:
            if one.build_id == self.build or (one.current and not self.build):
                manager.listing.keep([one])
                return one
        raise BadInput(self._why_not(client))

    def _why_not(self, client: Client) -> str:
        """Why the server shows no such kernel. Raises what it says of what is gone, or not the caller's."""
        subject = f"Build {self.build} of {self.name.subject}" if self.build else self.name.subject
        try:
            build = client.build(client.build_number(self.namespace, self.environment, self.build or None))
        except CondaStoreError as error:
            raise BadInput(f"{subject} cannot be run: {error}") from error
        if build.status != "COMPLETED":
            return f"{subject} cannot be run: it is {build.status}."
        return f"{subject} holds no kernel: add one to its dependencies, such as ipykernel."

    def _say(
        self, build: RunnableBuild, prefix: Path, directory: Path, said: dict[str, Any], environ: dict[str, str]
    ) -> None:
        """Put what the prefix says of its kernel into the specification that Jupyter holds."""
        spec = self.kernel_spec
        argv = [str(one).replace("{prefix}", str(prefix)) for one in said["argv"]]
        # Jupyter would take its own python for one that is only called so.
        spec.argv = [shutil.which(argv[0], path=environ["PATH"]) or argv[0], *argv[1:]]
        spec.resource_dir = str(directory)
        spec.env = {str(name): str(value) for name, value in (said.get("env") or {}).items()}
        spec.language = said.get("language") or spec.language
        spec.interrupt_mode = said.get("interrupt_mode") or "signal"
        subject = {**spec.metadata.get("conda-store", {}), "build": build.build_id, "digest": build.digest}
        spec.metadata = {**spec.metadata, "conda-store": subject}
