"""Lets people choose an environment when the Hub starts their server: its prefix, or its image, is what then runs.

Runs in the Hub's process and needs no Hub to be imported. Questions go to conda-store with a token that the Hub makes
for this and takes back: it has the rights of the server's owner, to read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from traitlets import Float, List, Unicode, default
from traitlets.config import LoggingConfigurable

from conda_store.client import Client
from conda_store.errors import CondaStoreError
from conda_store.hub.address import service_address, service_path
from conda_store.hub.form import form, form_without_offers
from conda_store.hub.offers import (
    Chosen,
    EnvironmentUnavailable,
    Offer,
    Wanted,
    choose,
    find_offers,
    image_of,
    prefix_of,
    unanswered,
)
from conda_store.hub.rights import NAME, AccessMissing, reading_token

T = TypeVar("T")

# What the Hub's own python was started with must not reach that of the environment.
_ACTIVATE = """\
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$2" PATH="$1/bin:$PATH"
shift 2
for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do
  if [ -r "$script" ]; then . "$script"; fi
done
exec "$@"
"""
_SERVER = "jupyterhub-singleuser"
_PULL_SECONDS = 3600


class CondaStoreSpawnerMixin(LoggingConfigurable):
    """Comes before the spawner: `class Spawner(CondaStoreSpawnerMixin, DockerSpawner)`.

    A spawner with a trait `image` gets the image of the chosen environment, any other starts its command in the prefix.
    What is nobody else's has two underscores: a spawner may have a `_start` of its own (KubeSpawner has).
    """

    conda_store_url = Unicode(
        help="Address of conda-store as the Hub's process reaches it; without a path, such as `http://127.0.0.1:5000`, "
        "the Hub's service is meant. Otherwise what `c.Spawner.environment` says with CONDA_STORE_URL.",
    ).tag(config=True)
    conda_store_service = Unicode(NAME, help="The name that conda-store has as service of the Hub.").tag(config=True)
    conda_store_token = Unicode(
        help="A token of conda-store for one that is no service of the Hub: everybody is offered what it may read, and "
        "may start in it. Without it conda-store is asked with the rights of the server's owner.",
    ).tag(config=True)
    conda_store_registry = Unicode(
        help="Host of the registry, such as `hub.example.org`, as the machines that pull images reach it. Otherwise "
        "the host of `conda_store_url`.",
    ).tag(config=True)
    conda_store_default = Unicode(
        help="The environment of a server for which nothing was ever chosen, such as `data/course`; none if empty."
    ).tag(config=True)
    conda_store_namespaces = List(
        Unicode(), help="Servers start in environments of these namespaces only; if empty, of all."
    ).tag(config=True)
    conda_store_packages = List(
        Unicode(),
        ["jupyterhub-base", "jupyterhub"],
        help="An environment that holds one of these packages can run a server, and only such are offered; if empty, "
        "all are. The first is conda-forge's, also of its `jupyterhub-singleuser`, the second that of pip.",
    ).tag(config=True)
    conda_store_cache_seconds = Float(
        10.0, min=0, help="Seconds for which the list of environments is shown again before conda-store is asked anew."
    ).tag(config=True)
    conda_store_wait_seconds = Float(
        10.0, min=0.1, help="Seconds that conda-store has to answer; then servers start without an environment only."
    ).tag(config=True)

    if TYPE_CHECKING:
        # The spawner's.
        user: Any
        hub: Any
        cmd: list[str] | None
        environment: Mapping[str, Any]
        user_options: Mapping[str, Any]

    __offered: tuple[float, list[Offer]] | None = None
    __replaced: Mapping[str, tuple[Any, Any]] = {}
    # The image that may be pulled with the owner's rights, and with what.
    __pull: tuple[str, str] | None = None

    @default("conda_store_url")
    def _url_of_servers(self) -> str:
        said = self.environment.get("CONDA_STORE_URL", "")
        return str(said(self) if callable(said) else said)

    @default("options_form")
    def _form_of_environments(self) -> Callable[[Any], Any]:
        return type(self).conda_store_form

    @default("options_from_form")
    def _options_of_the_form(self) -> Callable[[Mapping[str, Sequence[str]]], dict[str, str]]:
        return self.conda_store_options

    @default("apply_user_options")
    def _options_are_applied_at_the_start(self) -> Callable[[Any, Any], None]:
        return lambda spawner, options: None

    @default("remove")
    def _containers_keep_their_first_image(self) -> bool:
        return True

    def conda_store_options(self, form: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Options of a form or of a URL, such as `/hub/spawn?opt-environment=data/course`."""
        return {name: form[name][0] for name in ("environment", "build") if form.get(name)}

    async def conda_store_form(self) -> str:
        """The HTML with which an environment is chosen; also when conda-store does not answer."""
        without = f"None: the {'image' if self.__runs_images else 'server'} of this Hub"
        page = self.__page
        try:
            offers = await self.__find_offers()
        except EnvironmentUnavailable as error:
            return form_without_offers(error.jupyterhub_message, without, page)
        last = self.user_options.get("environment", self.conda_store_default)
        return form(offers, last if isinstance(last, str) else "", without, page)

    async def start(self) -> Any:
        """Start the server in what its owner chose. Raises `EnvironmentUnavailable`."""
        self.__restore()
        wanted = self.__wanted()
        if wanted is None:
            return await self.__start()
        with self.__token(_PULL_SECONDS) as token:
            await self.__use(wanted, token)
            try:
                return await self.__start()
            finally:
                self.__pull = None

    def docker(self, method: str, *arguments: Any, **more: Any) -> Any:
        """DockerSpawner's way to docker: pulls by digest, which it splits in the wrong place, and as the owner."""
        if method == "pull" and self.__pull is not None and ":".join(arguments) == self.__pull[0]:
            repository, tag = arguments
            if repository.endswith("@sha256"):
                arguments = (repository.removesuffix("@sha256"), f"sha256:{tag}")
            more = {"auth_config": {"username": NAME, "password": self.__pull[1]}, **more}
        return super().docker(method, *arguments, **more)  # type: ignore[misc]

    async def __start(self) -> Any:
        started = super().start()  # type: ignore[misc]
        return await started if isawaitable(started) else started

    async def __use(self, wanted: Wanted, token: str) -> None:
        """Let the spawner start what was chosen."""
        if self.__runs_images:
            self.__check_removal()
            image = await self.__asked(token, lambda client: self.__image(client, wanted))
            self.__put("image", image)
            self.__put("cmd", [_SERVER])
            self.__pull = (image, token)
            self.log.info("conda-store: %s is %s", wanted, image)
            return
        program, *arguments = self.cmd or [_SERVER]
        program = Path(program).name
        prefix = await self.__asked(token, lambda client: prefix_of(self.__choose(client, wanted), program))
        activated = ["bash", "-c", _ACTIVATE, NAME, str(prefix), wanted.path, program, *arguments]
        self.__put("cmd", activated)
        self.log.info("conda-store: %s is %s", wanted, prefix)

    def __check_removal(self) -> None:
        """DockerSpawner starts a container that is left of the last time again, whatever it was made of."""
        if not getattr(self, "remove", True):
            message = "No environment can be chosen while c.DockerSpawner.remove is False: tell whoever runs this Hub."
            raise EnvironmentUnavailable(500, message)

    def __wanted(self) -> Wanted | None:
        """What the options say. Some spawners know an option `image`, which would go over ours."""
        image = self.user_options.get("image") if self.__runs_images else None
        wanted = Wanted.of(self.user_options, "" if image else self.conda_store_default)
        if image and wanted:
            raise EnvironmentUnavailable(400, "Choose an environment or an image, not both.")
        return wanted

    def __choose(self, client: Client, wanted: Wanted) -> Chosen:
        return choose(client, wanted, self.conda_store_namespaces)

    def __image(self, client: Client, wanted: Wanted) -> str:
        chosen = self.__choose(client, wanted)
        return image_of(client, chosen, self.conda_store_packages, self.conda_store_registry)

    async def __find_offers(self) -> list[Offer]:
        """What can be chosen, or what could a moment ago."""
        now = time.monotonic()
        if self.__offered is None or now > self.__offered[0] + self.conda_store_cache_seconds:
            with self.__token(self.conda_store_wait_seconds + 1) as token:
                packages, namespaces = self.conda_store_packages, self.conda_store_namespaces
                found = await self.__asked(token, lambda client: find_offers(client, packages, namespaces))
            self.__offered = (now, found)
        return self.__offered[1]

    @contextmanager
    def __token(self, seconds: float) -> Iterator[str]:
        if self.conda_store_token:
            yield self.conda_store_token
            return
        try:
            with reading_token(self.user, seconds, self.conda_store_service) as token:
                yield token
        except AccessMissing as error:
            message = "You have no access to conda-store in this Hub: ask whoever runs it, or start without one."
            raise EnvironmentUnavailable(403, message) from error

    async def __asked(self, token: str, question: Callable[[Client], T]) -> T:
        """What conda-store answers. Raises `EnvironmentUnavailable`."""
        address = service_address(self.conda_store_url, self.__hub_path, self.conda_store_service)

        def ask() -> T:
            with Client(address, token, patience_seconds=0) as client:
                return question(client)

        try:
            # The Hub must go on meanwhile: conda-store asks it whose token this is.
            return await asyncio.wait_for(asyncio.to_thread(ask), self.conda_store_wait_seconds)
        except CondaStoreError as error:
            self.log.warning("conda-store at %s was asked in vain: %s", address, error.message)
            raise unanswered(error) from error
        except TimeoutError as error:
            waited = f"{self.conda_store_wait_seconds:g} seconds"
            message = f"conda-store has not answered for {waited}: try again soon, or start without an environment."
            raise EnvironmentUnavailable(503, message) from error

    @property
    def __runs_images(self) -> bool:
        return self.has_trait("image")

    @property
    def __hub_path(self) -> str:
        return str(self.hub.base_url)

    @property
    def __page(self) -> str:
        """Where people find conda-store, if it is a service of this Hub."""
        return "" if self.conda_store_token else service_path(self.__hub_path, self.conda_store_service)

    def __put(self, trait: str, value: Any) -> None:
        self.__replaced = {**self.__replaced, trait: (getattr(self, trait), value)}
        setattr(self, trait, value)

    def __restore(self) -> None:
        """Give back what the last start replaced: the next one may choose nothing."""
        for trait, (before, put) in self.__replaced.items():
            if getattr(self, trait) == put:
                setattr(self, trait, before)
        self.__replaced = {}
