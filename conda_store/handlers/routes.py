"""Every path below the prefix, and who answers it."""

from __future__ import annotations

from conda_store.handlers import api_artifacts, api_builds, api_environments, api_namespaces, api_root
from conda_store.handlers.api_access import WhoHasAccess
from conda_store.handlers.api_audit import AuditTrail
from conda_store.handlers.api_checks import CheckSpecification, SolveSpecification
from conda_store.handlers.api_collection import Collections
from conda_store.handlers.api_credentials import ChannelCredentials
from conda_store.handlers.api_differences import BuildDifference
from conda_store.handlers.api_kernels import Kernels
from conda_store.handlers.api_overview import OverviewList
from conda_store.handlers.api_packages import Channels, Packages
from conda_store.handlers.api_roles import Role, Roles
from conda_store.handlers.api_settings import Settings
from conda_store.handlers.api_specifications import Specifications
from conda_store.handlers.api_tokens import OneToken, Tokens
from conda_store.handlers.api_usage import NamespaceUsage
from conda_store.handlers.events import BuildEvents
from conda_store.handlers.health import Health, Metrics, Ready
from conda_store.handlers.login import LoginPage, Logout, SignInAnswer
from conda_store.handlers.page_actions import (
    CancelBuild,
    Compare,
    DeleteBuild,
    DeleteEnvironment,
    Describe,
    MakeCurrent,
    Rebuild,
)
from conda_store.handlers.page_admin import AuditPage, ConfigurationPage, QueuePage, StoragePage
from conda_store.handlers.page_builds import BuildPage
from conda_store.handlers.page_create import CreatePage, EditPage
from conda_store.handlers.page_differences import DifferencePage
from conda_store.handlers.page_docs import ApiPage, DocumentPage
from conda_store.handlers.page_environments import (
    EnvironmentAccess,
    EnvironmentBuilds,
    EnvironmentPage,
    EnvironmentsPage,
)
from conda_store.handlers.page_namespaces import (
    DeleteNamespace,
    EndNamespaceRole,
    NamespaceAccess,
    NamespacePage,
    NamespaceRoles,
    NamespacesPage,
)
from conda_store.handlers.page_settings import SettingsPage
from conda_store.handlers.page_static import StaticFile
from conda_store.handlers.page_user import RevokeToken, UserPage
from conda_store.handlers.router import Route

_V1 = "api/v1/"
_BUILD = "api/v1/build/{build}/"
_ENVIRONMENT = "api/v1/environment/{namespace}/{name}/"

#: What machines ask of every process.
PROBES = (Route("health", Health), Route("ready", Ready))

ROUTES = (
    Route(_V1, api_root.Root),
    Route(f"{_V1}permission/", api_root.OwnPermissions),
    Route(f"{_V1}token/", Tokens),
    Route(f"{_V1}token/{{token}}/", OneToken),
    *(Route(f"{_V1}setting/{path}", Settings) for path in ("", "{namespace}/", "{namespace}/{name}/")),
    Route(f"{_V1}usage/", NamespaceUsage),
    Route(f"{_V1}overview/", OverviewList),
    Route(f"{_V1}audit/", AuditTrail),
    Route(f"{_V1}gc/", Collections),
    Route(f"{_V1}channel/", Channels),
    Route(f"{_V1}package/", Packages),
    Route(f"{_V1}kernel/", Kernels),
    Route("api/openapi.json", api_root.OpenApi),
    Route("openapi.json", api_root.OpenApi),
    Route(f"{_V1}namespace/", api_namespaces.Namespaces),
    Route(f"{_V1}namespace/{{namespace}}/", api_namespaces.OneNamespace),
    Route(f"{_V1}namespace/{{namespace}}/metadata/", api_namespaces.Metadata),
    Route(f"{_V1}namespace/{{namespace}}/roles/", Roles),
    Route(f"{_V1}namespace/{{namespace}}/role/", Role),
    Route(f"{_V1}namespace/{{namespace}}/access/", WhoHasAccess),
    Route(f"{_ENVIRONMENT}access/", WhoHasAccess),
    Route(f"{_V1}namespace/{{namespace}}/channel-credential/", ChannelCredentials),
    Route(f"{_V1}environment/", api_environments.Environments),
    Route("api/v2/environment/", api_environments.EnvironmentsByCursor),
    Route(_ENVIRONMENT, api_environments.OneEnvironment),
    Route(f"{_V1}specification/", Specifications),
    Route(f"{_V1}specification/check/", CheckSpecification),
    Route(f"{_V1}specification/solve/", SolveSpecification),
    Route(f"{_V1}build/", api_builds.Builds),
    Route(_BUILD, api_builds.OneBuild),
    Route(f"{_BUILD}cancel/", api_builds.CancelBuild),
    Route(f"{_BUILD}packages/", api_builds.BuildPackages),
    Route(f"{_BUILD}diff/{{other}}/", BuildDifference),
    Route(f"{_BUILD}events/", BuildEvents),
    *(
        Route(f"{place}{path}", handler)
        for place in (_BUILD, _ENVIRONMENT)
        for path, handler in api_artifacts.PATHS.items()
    ),
    Route("", EnvironmentsPage),
    Route("docs/", DocumentPage),
    Route("docs/api/", ApiPage),
    Route("docs/{document}/", DocumentPage),
    Route("create/", CreatePage),
    Route("build/{build}/", BuildPage),
    Route("build/{build}/diff/{other}/", DifferencePage),
    Route("environment/{namespace}/{name}/", EnvironmentPage),
    Route("build/{build}/rebuild/", Rebuild),
    Route("build/{build}/cancel/", CancelBuild),
    Route("build/{build}/delete/", DeleteBuild),
    Route("environment/{namespace}/{name}/edit/", EditPage),
    Route("environment/{namespace}/{name}/current/", MakeCurrent),
    Route("environment/{namespace}/{name}/description/", Describe),
    Route("environment/{namespace}/{name}/delete/", DeleteEnvironment),
    Route("environment/{namespace}/{name}/compare/", Compare),
    Route("namespace/", NamespacesPage),
    Route("namespace/{namespace}/", NamespacePage),
    *(
        Route(f"{place}settings/", SettingsPage)
        for place in ("admin/", "namespace/{namespace}/", "environment/{namespace}/{name}/")
    ),
    Route("namespace/{namespace}/access/", NamespaceAccess),
    Route("namespace/{namespace}/role/", NamespaceRoles),
    Route("namespace/{namespace}/role/delete/", EndNamespaceRole),
    Route("namespace/{namespace}/delete/", DeleteNamespace),
    Route("admin/", QueuePage),
    Route("admin/storage/", StoragePage),
    Route("admin/audit/", AuditPage),
    Route("admin/configuration/", ConfigurationPage),
    Route("user/", UserPage),
    Route("user/token/{token}/revoke/", RevokeToken),
    Route("environment/{namespace}/{name}/builds/", EnvironmentBuilds),
    Route("environment/{namespace}/{name}/access/", EnvironmentAccess),
    Route("login/", LoginPage),
    Route("oauth_callback", SignInAnswer),
    Route("logout/", Logout),
    Route("static/{file}", StaticFile),
    *PROBES,
    Route("metrics", Metrics),
)
