"""The server: declares its options, builds the parts, starts and stops them. It does no work of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

from traitlets import Bool, Enum, Float, Integer, List, TraitError, Type, Unicode, default, validate

from conda_store._version import __version__
from conda_store.audit_options import AuditTrail
from conda_store.auth.base import Authenticator
from conda_store.auth.bindings import RoleBindings
from conda_store.auth.dummy import DummyAuthenticator
from conda_store.auth.hub import HubAuthenticator
from conda_store.auth.origins import LOOPBACK_NAMES, BrowserRules
from conda_store.auth.presets import PROVIDERS
from conda_store.auth.secret import ensure_secret
from conda_store.auth.service_tokens import ServiceTokens
from conda_store.builds.artifact_states import ArtifactType
from conda_store.builds.subject import DEFAULT_ARTIFACTS, JobSettings
from conda_store.collection_options import GarbageCollection
from conda_store.configuration import ConfiguredApplication, made
from conda_store.executors.base import Executor
from conda_store.executors.elsewhere import ElsewhereExecutor
from conda_store.executors.local import LocalExecutor
from conda_store.folder_watching import FolderWatching
from conda_store.handlers.http_server import listening_sockets, log_request
from conda_store.handlers.router import Route
from conda_store.handlers.routes import PROBES, ROUTES
from conda_store.handlers.site import WebSettings
from conda_store.image_builder import ImageBuilder
from conda_store.limits import BuildLimits, OnDemandImages
from conda_store.packages.channels import ChannelPolicy
from conda_store.policy_options import ChannelCredentials, EnvironmentPolicy, check_channels
from conda_store.registry.references import ReferenceInvalid, registry_host
from conda_store.registry_processes import RegistryProcesses, registry_sockets
from conda_store.secret_options import SecretText
from conda_store.service import Service, settle
from conda_store.shown_options import shown_options
from conda_store.specification_grammar import platform_fault
from conda_store.storage.local import check_writable

_MEGABYTE = 1024 * 1024


class CondaStore(ConfiguredApplication):
    """Serves pages, the REST API and the registry, and runs builds."""

    name = "conda-store serve"
    version = __version__
    description = (
        "Usage: conda-store serve [OPTIONS]\n\nServe environments: pages, REST API and container registry on one port."
    )
    examples = "conda-store serve --port 5000 --directory /srv/conda-store"
    # fmt: off
    classes = [  # noqa: RUF012  traitlets declares both so
        BuildLimits, EnvironmentPolicy, ChannelCredentials, AuditTrail, OnDemandImages, ImageBuilder, RoleBindings,
        GarbageCollection, FolderWatching, ServiceTokens, Authenticator, DummyAuthenticator, HubAuthenticator,
        *PROVIDERS, LocalExecutor,
    ]
    # fmt: on
    aliases = {  # noqa: RUF012
        "config": "CondaStore.config_file",
        "port": "CondaStore.port",
        "address": "CondaStore.address",
        "directory": "CondaStore.directory",
        "prefix": "CondaStore.prefix",
        "log-level": "Application.log_level",
    }
    directory = Unicode(
        help="Directory of everything that the server keeps: database, store, installed environments, secret. Its path "
        "is part of every installed environment and leaves room for 255 bytes in all, so keep it short. Default: "
        "~/.conda-store-server. Example: '/srv/conda-store'"
    ).tag(config=True)
    port = Integer(5000, min=0, max=65535, help="TCP port to listen on; 0 takes a free one.").tag(config=True)
    address = Unicode(
        "127.0.0.1",
        help="IP address to listen on. Loopback by default, since the default authenticator takes everyone who "
        "reaches the server for the administrator. Example: '0.0.0.0' for all interfaces.",
    ).tag(config=True)
    registry_port = Integer(
        None,
        allow_none=True,
        min=0,
        max=65535,
        help="TCP port of a registry apart, besides the one that is always at /v2/ of the server's own port: for "
        "another address, and for more than one process. None by default: there is none. 0 takes a free one. "
        "Example: 5001",
    ).tag(config=True)
    registry_address = Unicode(
        help="IP address on which the registry apart listens. Default: that of the server. Example: '0.0.0.0'"
    ).tag(config=True)
    registry_processes = Integer(
        1,
        min=1,
        help="Processes that serve the registry on registry_port. With one, the default, it is the server itself; each "
        "further one has a processor of its own and some 60 MB of memory, and is worth it only when pulls keep the "
        "first one busy.",
    ).tag(config=True)
    image_host = Unicode(
        help="Host, with its port if it has one, from which people pull images: what pages, API and JupyterLab tell "
        "them to type. Default: the one that they asked, and under a Hub that knows its own public address, the Hub's. "
        "Name it where programs reach the server otherwise than people do. Example: 'hub.example.org'",
    ).tag(config=True)
    prefix = Unicode(
        "/", help="Path below which pages and REST API lie; the registry is always at /v2/. Example: '/conda-store/'"
    ).tag(config=True)
    database_url = SecretText(
        help="SQLAlchemy URL of the database. Default: SQLite in the directory, which must be a local disk. Example: "
        "'postgresql+psycopg://user:password@host/conda_store'"
    ).tag(config=True)
    allowed_hosts = List(
        Unicode(),
        help="Names and addresses, besides loopback and the listening address, under which this server may be called. "
        "A request with another 'Host' is refused, so that a foreign name made to point here reaches nothing. "
        "Example: ['conda-store.example.org']",
    ).tag(config=True)
    allowed_origins = List(
        Unicode(),
        help="Origins of other sites whose pages may use this server with the user's session. Empty by default. "
        "Example: ['https://hub.example.org']",
    ).tag(config=True)
    trust_proxy = Bool(
        False, help="Believe X-Forwarded-For and X-Forwarded-Proto: only right behind a proxy that sets them itself."
    ).tag(config=True)
    max_body_bytes = Integer(
        20 * _MEGABYTE,
        min=1024,
        help="Bytes of the largest request that is read; lockfiles for five platforms have some megabytes. A larger "
        "one is answered with 413.",
    ).tag(config=True)
    body_timeout_seconds = Float(
        60.0, help="Seconds in which a request's body must arrive; a slower one is cut off, to keep memory free."
    ).tag(config=True)
    idle_timeout_seconds = Float(120.0, help="Seconds after which a connection that asks for nothing is closed.").tag(
        config=True
    )
    max_page_size = Integer(
        100, min=1, help="Rows in the largest page of a list; a request for more gets this many."
    ).tag(config=True)
    download_wait_seconds = Float(
        300.0,
        help="Seconds that a download waits for an artifact which is still being made, before it is answered with 503. "
        "The work goes on, and the next download joins it.",
    ).tag(config=True)
    threads = Integer(
        8, min=1, help="Threads that ask the database for requests; each has a connection of its own."
    ).tag(config=True)
    channel_alias = Unicode("https://conda.anaconda.org", help="URL below which a channel given by its name lies.").tag(
        config=True
    )
    default_channels = List(
        Unicode(),
        ["conda-forge"],
        help="Channels of specifications that name none, in order of priority; always allowed. Names or URLs. "
        "Example: ['conda-forge', 'https://channels.example.org/ours']",
    ).tag(config=True)
    allowed_channels = List(
        Unicode(),
        help="Names, URLs or patterns (a closing '*' for everything below) of channels that may be used. Empty allows "
        "every name below channel_alias, no other URL and no path. Example: ['conda-forge', 'bioconda']",
    ).tag(config=True)
    build_artifacts = List(
        Enum([str(one) for one in ArtifactType]),
        [str(one) for one in DEFAULT_ARTIFACTS],
        help="Artifacts that every build makes at once, in this order; others are made when they are first asked for.",
    ).tag(config=True)
    platforms = List(
        Unicode(),
        help="Platforms for which environments are solved and images made when their specification names none; empty "
        "is that of this machine. Several make one image for all of them. Namespaces and environments may say "
        "otherwise (setting conda_solve_platforms). Example: ['linux-64', 'linux-aarch64']",
    ).tag(config=True)
    watch_paths = List(
        Unicode(),
        help="Folders of YAML files, or single files, to which the namespace 'filesystem' (setting "
        "filesystem_namespace) is kept equal: a new file makes an environment, a changed one a build, and the "
        "environment goes with its file (docs/folders.md). Example: ['/srv/environments']",
    ).tag(config=True)
    executor_class = Type(
        LocalExecutor,
        klass=Executor,
        help="Where builds run: a subclass of Executor. The default runs them on this machine.",
    ).tag(config=True)
    authenticator_class = Type(
        DummyAuthenticator,
        klass=Authenticator,
        help="Who callers are: a subclass of Authenticator. The default knows one local administrator.",
    ).tag(config=True)

    _registry: Sequence[list[socket]] = ()

    @default("directory")
    def _directory(self) -> str:
        return str(Path.home() / ".conda-store-server")

    @default("registry_address")
    def _registry_address(self) -> str:
        return self.address

    @default("database_url")
    def _database_url(self) -> str:
        return f"sqlite:///{self.root / 'conda-store.sqlite'}"

    @validate("platforms")
    def _known_platforms(self, proposal: Any) -> Any:
        for fault in filter(None, map(platform_fault, proposal["value"])):
            raise TraitError(f"c.CondaStore.platforms: {fault}")
        return proposal["value"]

    @validate("image_host")
    def _host_alone(self, proposal: Any) -> str:
        try:
            return registry_host(proposal["value"]) if proposal["value"] else ""
        except ReferenceInvalid as error:
            raise TraitError(f"c.CondaStore.image_host: {error}") from None

    @validate("prefix")
    def _whole_prefix(self, proposal: Any) -> str:
        return f"/{stripped}/" if (stripped := proposal["value"].strip("/")) else "/"

    @property
    def root(self) -> Path:
        """The directory, from the root of the file system."""
        # Links stay: a path that is a link may be shorter, and be meant so.
        return Path(self.directory).expanduser().absolute()

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the pages; known once the server listens."""
        host = "localhost" if self.address in LOOPBACK_NAMES or not self.address.strip("0.:") else self.address
        return f"http://{host}:{self.bound_port}{self.prefix}"

    def start(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        if self.generate_config:
            self.write_configuration()
            return
        self._registry = self._registry_shares()
        processes = RegistryProcesses(self._registry[1:], self._serve_registry) if len(self._registry) > 1 else None
        if processes is not None:
            processes.start()
        try:
            asyncio.run(self._serve())
        finally:
            if processes is not None:
                processes.stop()

    async def _serve(self) -> None:
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await self.open()
        settle()
        try:
            also = f", its registry also on port {self.bound_registry_port}" if self._registry else ""
            print(f"conda-store is ready at {self.url}{also}", flush=True)
            await ended.wait()
        finally:
            await self.close()

    async def open(self) -> None:
        """Build the parts and listen. Raises what is wrong with an option, by name."""
        self._open(self.executor_class)
        sockets = listening_sockets(self.port, self.address)
        self.bound_port = int(sockets[0].getsockname()[1])
        self._listen(sockets, ROUTES)
        self._registry = self._registry or self._registry_shares()
        for share in self._registry[:1]:
            self._listen(share, PROBES)
        self.executor.start(self.service.jobs)
        made(FolderWatching, self).start(self.watch_paths, self.service)

    async def close(self) -> None:
        """Stop listening, end builds (they start again with the next server) and let go of everything."""
        await self.service.close()

    async def _serve_registry(self, sockets: list[socket], ended: asyncio.Event) -> None:
        """Be one of the processes of the registry: nothing runs here, and nothing else is served."""
        self._open(ElsewhereExecutor)
        self.executor.start(self.service.jobs)
        self._listen(sockets, PROBES)
        settle()
        await ended.wait()
        await self.close()

    def _registry_shares(self) -> list[list[socket]]:
        shares = registry_sockets(self.registry_port, self.registry_address, self.registry_processes)
        self.bound_registry_port = int(shares[0][0].getsockname()[1]) if shares else None
        return shares

    def _open(self, executor_class: Callable[..., Executor]) -> None:
        self.authenticator = made(self.authenticator_class, self)
        for address in {self.address, self.registry_address}:
            self.authenticator.check_address(address)
        check_writable(self.root)
        self.prepare()
        self.bindings, self.services = made(RoleBindings, self).bindings(), made(ServiceTokens, self).services()
        self.executor = made(executor_class, self)
        self.service = Service(self.job_settings(), self.executor, self.threads, partial(log_request, self.log))
        self.database = self.service.database

    def _listen(self, sockets: list[socket], routes: Sequence[Route]) -> None:
        self.service.listen(
            sockets,
            routes,
            self._web_settings(),
            xheaders=self.trust_proxy,
            body_timeout=self.body_timeout_seconds,
            idle_connection_timeout=self.idle_timeout_seconds,
        )

    def prepare(self) -> None:
        """Read the options of parts that `job_settings` tells of."""
        self.limits, self.on_demand = made(BuildLimits, self), made(OnDemandImages, self)
        self.images = made(ImageBuilder, self)

    def job_settings(self) -> JobSettings:
        """What builds have to know, once `prepare` was called."""
        rules, channels = made(EnvironmentPolicy, self), (tuple(self.default_channels), tuple(self.allowed_channels))
        policy = ChannelPolicy(self.channel_alias, *channels, allowed_redirects=tuple(rules.allowed_redirects))
        check_channels(policy)
        return JobSettings(
            database_url=self.database_url,
            store_directory=self.root / "store",
            prefix_directory=self.root / "envs",
            environments_directory=self.root / "environments",
            policy=policy,
            rules=rules.settings,
            credentials=made(ChannelCredentials, self).credentials(),
            secret_file=self.root / "cookie-secret",
            base_images=self.images.base_image,
            build_artifacts=tuple(ArtifactType(name) for name in self.build_artifacts),
            images=self.images.settings(),
            registry_access=self.images.access(),
            limits=self.limits.of_builds(),
            on_demand_limits=self.on_demand.of_builds(),
            platforms=tuple(self.platforms),
        )

    def _web_settings(self) -> WebSettings:
        return WebSettings(
            authenticator=self.authenticator,
            bindings=self.bindings,
            services=self.services,
            rules=BrowserRules.of([self.address, self.registry_address, *self.allowed_hosts], self.allowed_origins),
            prefix=self.prefix,
            secret=ensure_secret(self.root / "cookie-secret"),
            directory=self.root,
            page_limit=self.max_page_size,
            body_limit=self.max_body_bytes,
            audit_days=made(AuditTrail, self).keep_days,
            collection=made(GarbageCollection, self).policy(),
            options=tuple(shown_options(self)),
            download_wait_seconds=self.download_wait_seconds,
            image_host=self.image_host,
            submissions=self.limits.of_submissions(),
            on_demand=self.on_demand.settings(),
        )
