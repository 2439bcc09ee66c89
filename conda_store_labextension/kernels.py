"""Environments as kernels: what `c.CondaStoreKernelSpecManager` says, and what Jupyter asks it for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Dict, Float, Integer, Type, Unicode
from traitlets.config import Config

from conda_store.client import Client, NotFound, RunnableBuild
from conda_store.client.cache import EnvironmentCache
from conda_store_labextension.connection import CondaStoreConnection
from conda_store_labextension.kernel_listing import KernelListing
from conda_store_labextension.kernel_names import KernelName, find_kernel_name
from conda_store_labextension.kernel_specs import OfferedKernel, icon_directory, offered, unknown
from conda_store_labextension.pins import Pins
from conda_store_labextension.prefixes import Prefixes


def surround(server: ServerApp) -> None:
    """Put the manager that offers environments as kernels around the one that is configured.

    A gateway has kernels of its own, and a class that is ours already stays.
    """
    # At this time the server has no gateway's configuration yet, which its own default would look at.
    configured = server.trait_has_value("kernel_spec_manager_class")
    found = server.kernel_spec_manager_class if configured else KernelSpecManager
    gateway = GatewayClient(parent=server)  # type: ignore[no-untyped-call]
    if gateway.gateway_enabled or issubclass(found, CondaStoreKernelSpecManager):
        return
    if "wrapped_class" not in server.config.get("CondaStoreKernelSpecManager", {}):
        server.update_config(Config({"CondaStoreKernelSpecManager": {"wrapped_class": found}}))
    server.kernel_spec_manager_class = CondaStoreKernelSpecManager


class CondaStoreKernelSpecManager(KernelSpecManager):
    """Offers environments of conda-store as kernels, beside those that another manager finds."""

    enabled = Bool(
        True,
        help="Whether environments of conda-store are offered as kernels. With False only the other kernels are there, "
        "and nobody asks the server for environments.",
    ).tag(config=True)
    wrapped_class = Type(
        KernelSpecManager,
        klass=KernelSpecManager,
        help="The class that finds the other kernels, which stay there. Default: what "
        "`c.ServerApp.kernel_spec_manager_class` says, so that the kernels of nb_conda_kernels stay, too.",
    ).tag(config=True)
    in_place = Bool(
        True,
        help="Whether kernels run in the prefix that the server installed, where it can be read on this machine. With "
        "False the archive is fetched always, which takes longer once, and nothing runs in directories of the server.",
    ).tag(config=True)
    prefix_roots = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="How directories of the conda-store server are called on this machine, where a file system that both see "
        "is mounted elsewhere. Prefixes in other directories are looked for at the path that they have on the server. "
        "Example: `{'/srv/conda-store': '/shared/conda-store'}`.",
    ).tag(config=True)
    cache_directory = Unicode(
        help="Where archives are unpacked whose prefix is not on this machine; `conda-store run` shares them. Default: "
        "`conda-store` in XDG_CACHE_HOME (`~/.cache`). Packages have room for a path of 255 bytes: keep it short.",
    ).tag(config=True)
    refresh_seconds = Float(
        5.0,
        min=1.0,
        help="How often the server is asked for environments, in seconds, while somebody looks at kernels. A new build "
        "is a kernel so much later at most; many users of one server may want it higher.",
    ).tag(config=True)
    fetch_seconds = Float(
        60.0,
        min=1.0,
        help="How long a kernel that starts waits for a server that is away while an archive is fetched, in seconds; "
        "a server that answers is waited for as long as it needs.",
    ).tag(config=True)
    most_kernels = Integer(
        1000,
        min=1,
        help="How many kernels of conda-store are listed at most, by name, with pinned ones first: a launcher with "
        "more is slow. A notebook that names one of the others runs all the same.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection = CondaStoreConnection(parent=self)
        self.wrapped: KernelSpecManager = self.wrapped_class(parent=self.parent, config=self.config)
        self.listing = KernelListing(self.client, self._pinned, self.refresh_seconds, self.log)
        if self.active:
            self.listing.latest()

    @property
    def active(self) -> bool:
        """Whether environments are offered."""
        return self.enabled and bool(self.connection.url)

    @property
    def pins(self) -> Pins:
        """Builds that the user holds on to."""
        return Pins(Path(self.data_dir) / "conda-store" / "pins.json", self.connection.url)

    @property
    def prefixes(self) -> Prefixes:
        """Where prefixes are. Raises `Unconfigured`."""
        directory = Path(self.cache_directory).expanduser() if self.cache_directory else None
        cache = EnvironmentCache(self.connection.address, directory)
        return Prefixes(dict(self.prefix_roots) if self.in_place else None, cache)

    def client(self) -> Client:
        """A connection for one thread. Raises `Unconfigured` for an address or token that cannot be one."""
        connection = self.connection
        return Client(connection.address, connection.credential() or None, patience_seconds=self.fetch_seconds)

    def offered(self) -> list[OfferedKernel]:
        """What can be chosen, pinned builds first, as the server said last."""
        if not self.active:
            return []
        builds = self.listing.latest()
        known = {one.build_id: one for one in builds}
        found: list[OfferedKernel] = []
        for pin in self.pins.all():
            gone = self.listing.answered and pin.build_id not in known
            found += offered(known.get(pin.build_id, pin), pinned=True, gone=gone)
        for build in builds:
            found += offered(build, pinned=False) if build.current else ()
        return found[: self.most_kernels]

    def find_kernel_specs(self) -> dict[str, str]:
        """By the name of a kernel: where its icons are."""
        own = {str(one.name): str(icon_directory(one.language)) for one in self.offered()}
        return {**self.wrapped.find_kernel_specs(), **self._allowed(own)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Also for a build that nobody pinned here, and while the server is away: whether it can be run is seen then.

        Nothing is asked for here, since Jupyter waits for it.
        """
        name = find_kernel_name(kernel_name) if self.active else None
        if name is None or not self._allowed({str(name): ""}):
            return self.wrapped.get_kernel_spec(kernel_name)
        known = (one for one in self.offered() if one.name == name)
        return self._spec(next(known, None) or unknown(name))

    def get_all_specs(self) -> dict[str, Any]:
        """All kernels, each as a dictionary."""
        own = {
            str(one.name): {"resource_dir": str(icon_directory(one.language)), "spec": one.spec()}
            for one in self.offered()
        }
        return {**self.wrapped.get_all_specs(), **self._allowed(own)}

    def remove_kernel_spec(self, name: str) -> str:
        """Remove one of the other kernels."""
        return self.wrapped.remove_kernel_spec(name)

    def pin(self, build_id: int) -> OfferedKernel:
        """Hold on to a build. Raises `NotFound` for one that the caller may not read or that holds no kernel."""
        with self.client() as client:
            build = next((one for one in client.kernels(builds=[build_id]) if one.build_id == build_id), None)
            if build is None:
                client.build(build_id)  # tells whether it is gone or not the caller's
                raise NotFound(404, "no_kernel", f"Build {build_id} is not ready, or holds no kernel like ipykernel.")
        self.pins.add(build)
        self.listing.keep([build])
        return next(offered(build, pinned=True))

    def unpin(self, build_id: int) -> None:
        """Let go of a build. Raises `NotFound`."""
        if not self.pins.remove(build_id):
            raise NotFound(404, "not_pinned", f"Build {build_id} is not pinned.")

    def last_known(self, name: KernelName) -> RunnableBuild | None:
        """The build that a kernel ran in last, as far as it is known here: for when the server is away."""
        for one in [*self.listing.latest(), *self.pins.all()]:
            if (one.namespace, one.environment) != (name.namespace, name.environment):
                continue
            if one.build_id == name.build or (one.current and not name.build):
                return one
        return None

    def _pinned(self) -> set[int]:
        return {one.build_id for one in self.pins.all()}

    def _allowed(self, kernels: dict[str, Any]) -> dict[str, Any]:
        allowed = self.allowed_kernelspecs
        return {name: one for name, one in kernels.items() if not allowed or name in allowed}

    def _spec(self, kernel: OfferedKernel) -> KernelSpec:
        return self.kernel_spec_class(resource_dir=str(icon_directory(kernel.language)), **kernel.spec())
