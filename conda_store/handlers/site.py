"""From the foundations to everything that is served: managers, registry, routes. No option is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from conda_store.auth.base import Authenticator
from conda_store.auth.bindings import Bindings
from conda_store.auth.callers import Callers
from conda_store.auth.origins import BrowserRules
from conda_store.auth.service_tokens import Services
from conda_store.auth.tokens import RegistryTokens
from conda_store.builds.room import check_room
from conda_store.builds.subject import JobSettings
from conda_store.executors.base import Executor
from conda_store.handlers.base import Parts
from conda_store.handlers.openapi import openapi
from conda_store.handlers.page import page_templates
from conda_store.handlers.places import Places
from conda_store.handlers.registry import registry_routes
from conda_store.handlers.registry_access import RegistryAccess
from conda_store.handlers.registry_base import at_once
from conda_store.handlers.router import Route, RouteTable, Site
from conda_store.handlers.routes import ROUTES
from conda_store.managers.access import AccessManager
from conda_store.managers.acquaintances import AcquaintanceManager, Acquaintances
from conda_store.managers.administration import AdministrationManager
from conda_store.managers.admission import SubmissionLimits
from conda_store.managers.artifacts import ArtifactManager
from conda_store.managers.audit import AuditManager
from conda_store.managers.builds import BuildManager
from conda_store.managers.checking import CheckManager
from conda_store.managers.collecting import CollectionManager, CollectionPolicy
from conda_store.managers.credentials import CredentialManager
from conda_store.managers.differences import DifferenceManager
from conda_store.managers.environments import EnvironmentManager
from conda_store.managers.glances import GlanceManager
from conda_store.managers.image_waiting import ImageWaiting
from conda_store.managers.images import DynamicSettings, ImageManager
from conda_store.managers.kernels import KernelManager
from conda_store.managers.namespaces import NamespaceManager
from conda_store.managers.overview import OverviewManager
from conda_store.managers.packages import PackageManager
from conda_store.managers.policies import Policies
from conda_store.managers.rights import Rights, RightsManager
from conda_store.managers.role_mappings import RoleMappingManager
from conda_store.managers.sessions import OpenSessions, SessionManager
from conda_store.managers.settings import SettingManager
from conda_store.managers.solving import SolveManager
from conda_store.managers.state import StateManager
from conda_store.managers.stories import StoryManager
from conda_store.managers.tokens import OwnTokens, TokenManager
from conda_store.managers.usage import UsageManager
from conda_store.managers.watching import Watcher
from conda_store.packages.versions import direction
from conda_store.registry.names import DYNAMIC, repository
from conda_store.registry.serve import RegistryServer
from conda_store.sealing import Sealer
from conda_store.storage.base import Storage


@dataclass(frozen=True)
class WebSettings:
    """How the server speaks HTTP: who may call, under which names and prefix, and its limits."""

    authenticator: Authenticator
    bindings: Bindings
    services: Services
    rules: BrowserRules
    prefix: str
    secret: bytes
    directory: Path
    page_limit: int
    body_limit: int
    audit_days: float
    collection: CollectionPolicy
    options: tuple[tuple[str, str], ...]
    download_wait_seconds: float
    image_host: str
    submissions: SubmissionLimits
    on_demand: DynamicSettings


@dataclass(frozen=True)
class Known:
    """Tokens, sessions, and who callers are by them; who can see what."""

    tokens: TokenManager
    sessions: SessionManager
    callers: Callers
    access: AccessManager


def make_site(
    watcher: Watcher,
    executor: Executor,
    storage: Storage,
    jobs: JobSettings,
    web: WebSettings,
    routes: Sequence[Route] = ROUTES,
    **settings: Any,
) -> Site:
    """The registry and `routes`, over the database of `watcher`; `settings` are Tornado's."""
    serve = RegistryServer(watcher.database, storage)
    known = _known(watcher, web)
    callers = known.callers
    parts = _parts(watcher, executor, serve, jobs, web, known)
    # Where the database is a local file, a thread costs more than the query.
    door = at_once if jobs.database_url.startswith("sqlite") else watcher.call
    room = partial(check_room, storage=storage, options=jobs.setting_options)
    registry = registry_routes(
        serve,
        RegistryAccess(callers, RegistryTokens(web.secret), web.rules, web.on_demand.anonymous),
        ImageManager(watcher.database, executor, watcher, web.on_demand, room),
        door,
        ImageWaiting(watcher.database, executor, watcher, web.on_demand.hold_seconds),
    )
    document = _document(web.prefix)
    return Site(RouteTable(routes), parts, registry, body_limit=web.body_limit, openapi=document, **settings)


@cache
def _document(prefix: str) -> dict[str, Any]:
    """What the API says of itself. It takes as long as all the rest of a start, and is always the same."""
    return openapi(ROUTES, prefix)


def _known(watcher: Watcher, web: WebSettings) -> Known:
    who = web.authenticator
    who.use_secret(web.secret)
    people = AcquaintanceManager(watcher.database, Sealer(web.secret, "acquaintances"))
    who.use_memory(Acquaintances(people, watcher))
    tokens = TokenManager(watcher.database, web.services)
    sessions = SessionManager(watcher.database, Sealer(web.secret, "sessions"))
    manager = RightsManager(watcher.database, web.bindings, who.standing_rules())
    rights = Rights(manager, watcher)
    own_tokens = OwnTokens(tokens, watcher, who, rights)
    callers = Callers(who, own_tokens, OpenSessions(sessions, watcher, who), rights, web.services)
    return Known(tokens, sessions, callers, AccessManager(watcher.database, manager, own_tokens))


def _parts(
    watcher: Watcher,
    executor: Executor,
    serve: RegistryServer,
    jobs: JobSettings,
    web: WebSettings,
    known: Known,
) -> Parts:
    database, storage, places = watcher.database, serve.storage, jobs.places
    policies, solves = Policies.under(jobs), SolveManager(database, jobs)
    builds = BuildManager(database, executor, storage, places, policies, web.submissions, serve.forget)
    overview = OverviewManager(database, places)
    return Parts(
        environments=EnvironmentManager(database, executor, places, serve.forget),
        overview=overview,
        glances=GlanceManager(database, overview),
        stories=StoryManager(database, storage),
        builds=builds,
        artifacts=ArtifactManager(database, executor, storage, jobs.setting_options),
        audit=AuditManager(database, web.audit_days),
        collections=CollectionManager(database, jobs, web.collection, builds.delete),
        kernels=KernelManager(database),
        administration=AdministrationManager(database, storage, jobs.store_directory, executor.seats, web.options),
        namespaces=NamespaceManager(database, executor, places, serve.forget),
        role_mappings=RoleMappingManager(database),
        access=known.access,
        state=StateManager(database, storage, web.directory),
        watcher=watcher,
        tokens=known.tokens,
        sessions=known.sessions,
        settings=SettingManager(database, jobs.setting_options),
        packages=PackageManager(database),
        usage=UsageManager(database),
        differences=DifferenceManager(database),
        solves=solves,
        checks=CheckManager(database, policies, web.submissions, solves),
        credentials=CredentialManager(database, web.secret),
        callers=known.callers,
        rules=web.rules,
        places=Places(web.prefix),
        templates=page_templates(repository=repository, dynamic=DYNAMIC, direction=direction),
        door=watcher.pool,
        secret=web.secret,
        page_limit=web.page_limit,
        download_wait_seconds=web.download_wait_seconds,
        image_host=web.image_host,
    )
