"""The table of `test_permission_matrix.py`: what each verb of each route answers to each kind of caller.

Whoever adds a route or a verb adds its row. In a row: verbs, path, a status for each of `PEOPLE`, and last what the
operator hears of something that does not exist (`-` where the path names nothing that could be missing).
"""

from __future__ import annotations

from dataclasses import dataclass

#: `viewer`, `developer` and `admin` have that role in the namespaces that the paths name, and no other right;
#: `operator` is administrator of everything. The last three are tokens of `admin`: one narrowed to viewer there, one to
#: another namespace, one that has expired.
PEOPLE = (
    "anonymous",
    "stranger",
    "viewer",
    "developer",
    "admin",
    "operator",
    "narrowed",
    "elsewhere",
    "expired",
)

SITE = """
#                                                       anon stra view deve admi oper narr else expi  absent
GET       api/v1/                                        200  200  200  200  200  200  200  200  200  -
GET       api/v1/permission/                             200  200  200  200  200  200  200  200  200  -
GET       api/v1/token/                                  403  200  200  200  200  200  200  200  403  -
POST      api/v1/token/                                  403  200  200  200  200  200  200  200  403  -
DELETE    api/v1/token/{token}/                          403  200  200  200  200  200  200  200  403  404
GET       api/v1/setting/                                403  403  403  403  403  200  403  403  403  -
PUT       api/v1/setting/                                403  403  403  403  403  200  403  403  403  -
GET       api/v1/setting/{namespace}/                    403  403  403  200  200  200  403  403  403  404
PUT       api/v1/setting/{namespace}/                    403  403  403  403  200  200  403  403  403  404
GET       api/v1/setting/{namespace}/{name}/             403  403  403  200  200  200  403  403  403  404
PUT       api/v1/setting/{namespace}/{name}/             403  403  403  403  200  200  403  403  403  404
GET       api/v1/usage/                                  200  200  200  200  200  200  200  200  200  -
GET       api/v1/overview/                               200  200  200  200  200  200  200  200  200  -
GET       api/v1/audit/                                  200  200  200  200  200  200  200  200  200  -
GET       api/v1/gc/                                     403  403  403  403  403  200  403  403  403  -
POST      api/v1/gc/                                     403  403  403  403  403  200  403  403  403  -
GET       api/v1/channel/                                200  200  200  200  200  200  200  200  200  -
GET       api/v1/package/                                200  200  200  200  200  200  200  200  200  -
GET       api/v1/kernel/                                 200  200  200  200  200  200  200  200  200  -
GET       api/openapi.json                               200  200  200  200  200  200  200  200  200  -
GET       openapi.json                                   200  200  200  200  200  200  200  200  200  -

GET       api/v1/namespace/                              200  200  200  200  200  200  200  200  200  -
GET       api/v1/namespace/{namespace}/                  403  403  200  200  200  200  200  403  403  404
POST      api/v1/namespace/{namespace}/                  403  403  403  403  409  409  403  403  403  200
PUT       api/v1/namespace/{namespace}/                  403  403  403  403  200  200  403  403  403  404
DELETE    api/v1/namespace/{namespace}/                  403  403  403  403  200  200  403  403  403  404
PUT       api/v1/namespace/{namespace}/metadata/         403  403  403  403  200  200  403  403  403  404
GET       api/v1/namespace/{namespace}/roles/            403  403  200  200  200  200  200  403  403  404
DELETE    api/v1/namespace/{namespace}/roles/            403  403  403  403  200  200  403  403  403  404
GET       api/v1/namespace/{namespace}/role/             403  403  200  200  200  200  200  403  403  404
POST      api/v1/namespace/{namespace}/role/             403  403  403  403  200  200  403  403  403  404
PUT       api/v1/namespace/{namespace}/role/             403  403  403  403  200  200  403  403  403  404
DELETE    api/v1/namespace/{namespace}/role/             403  403  403  403  200  200  403  403  403  404
GET       api/v1/namespace/{namespace}/access/           403  403  403  200  200  200  403  403  403  404
GET       api/v1/namespace/{namespace}/channel-credential/  403 403 403 200 200  200  403  403  403  404
PUT       api/v1/namespace/{namespace}/channel-credential/  403 403 403 403 200  200  403  403  403  404
DELETE    api/v1/namespace/{namespace}/channel-credential/  403 403 403 403 200  200  403  403  403  404

GET       api/v1/environment/                            200  200  200  200  200  200  200  200  200  -
GET       api/v2/environment/                            200  200  200  200  200  200  200  200  200  -
GET       api/v1/environment/{namespace}/{name}/         403  403  200  200  200  200  200  403  403  404
PUT       api/v1/environment/{namespace}/{name}/         403  403  403  200  200  200  403  403  403  404
DELETE    api/v1/environment/{namespace}/{name}/         403  403  403  403  200  200  403  403  403  404
GET       api/v1/environment/{namespace}/{name}/access/  403  403  403  200  200  200  403  403  403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/yaml/    403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/lockfile/        403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/conda-lock.yml   403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/conda-lock.yaml  403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/archive/         403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/installer/       403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/sbom/            403 403 200 200 200 200 200 403 403  404
GET,HEAD  api/v1/environment/{namespace}/{name}/logs/            403 403 200 200 200 200 200 403 403  404
GET       api/v1/environment/{namespace}/{name}/docker/          403 403 200 200 200 200 200 403 403  404

GET       api/v1/specification/                          403  403  403  200  200  200  403  200  403  -
POST      api/v1/specification/                          403  403  403  200  200  200  403  403  403  200
POST      api/v1/specification/check/                    403  403  403  200  200  200  403  403  403  200
POST      api/v1/specification/solve/                    403  403  403  200  200  200  403  403  403  200
GET       api/v1/build/                                  200  200  200  200  200  200  200  200  200  -
GET       api/v1/build/{build}/                          403  403  200  200  200  200  200  403  403  404
PUT       api/v1/build/{build}/                          403  403  403  200  200  200  403  403  403  404
DELETE    api/v1/build/{build}/                          403  403  403  403  200  200  403  403  403  404
PUT       api/v1/build/{build}/cancel/                   403  403  403  200  200  200  403  403  403  404
GET       api/v1/build/{build}/packages/                 403  403  200  200  200  200  200  403  403  404
GET       api/v1/build/{build}/diff/{other}/             403  403  200  200  200  200  200  403  403  404
GET       api/v1/build/{build}/events/                   403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/yaml/                     403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/lockfile/                 403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/conda-lock.yml            403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/conda-lock.yaml           403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/archive/                  403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/installer/                403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/sbom/                     403  403  200  200  200  200  200  403  403  404
GET,HEAD  api/v1/build/{build}/logs/                     403  403  200  200  200  200  200  403  403  404
GET       api/v1/build/{build}/docker/                   403  403  200  200  200  200  200  403  403  404

GET       /                                              200  200  200  200  200  200  200  200  200  -
GET       docs/                                          200  200  200  200  200  200  200  200  200  -
GET       docs/api/                                      200  200  200  200  200  200  200  200  200  -
GET       docs/{document}/                               200  200  200  200  200  200  200  200  200  404
GET       create/                                        403  403  403  200  200  200  403  200  403  -
POST      create/                                        403  403  403  303  303  303  403  403  403  303
GET       build/{build}/                                 403  403  200  200  200  200  200  403  403  404
GET       build/{build}/diff/{other}/                    403  403  200  200  200  200  200  403  403  404
GET       environment/{namespace}/{name}/                403  403  200  200  200  200  200  403  403  404
GET       environment/{namespace}/{name}/builds/         403  403  200  200  200  200  200  403  403  404
GET       environment/{namespace}/{name}/access/         403  403  403  200  200  200  403  403  403  404
GET       environment/{namespace}/{name}/edit/           403  403  403  200  200  200  403  403  403  404
POST      environment/{namespace}/{name}/current/        403  403  403  303  303  303  403  403  403  404
POST      environment/{namespace}/{name}/description/    403  403  403  303  303  303  403  403  403  404
GET       environment/{namespace}/{name}/compare/        403  403  303  303  303  303  303  403  403  303
GET       environment/{namespace}/{name}/delete/         403  403  403  403  200  200  403  403  403  404
POST      environment/{namespace}/{name}/delete/         403  403  403  403  303  303  403  403  403  404
POST      build/{build}/rebuild/                         403  403  403  303  303  303  403  403  403  404
POST      build/{build}/cancel/                          403  403  403  303  303  303  403  403  403  404
GET       build/{build}/delete/                          403  403  403  403  200  200  403  403  403  404
POST      build/{build}/delete/                          403  403  403  403  303  303  403  403  403  404
GET       namespace/                                     200  200  200  200  200  200  200  200  200  -
POST      namespace/                                     403  403  403  403  303  303  403  403  403  -
GET       namespace/{namespace}/                         403  403  200  200  200  200  200  403  403  404
GET       namespace/{namespace}/settings/                403  403  403  200  200  200  403  403  403  404
GET       admin/settings/                                403  403  403  403  403  200  403  403  403  -
POST      admin/settings/                                403  403  403  403  403  303  403  403  403  -
GET       environment/{namespace}/{name}/settings/       403  403  403  200  200  200  403  403  403  404
POST      environment/{namespace}/{name}/settings/       403  403  403  403  303  303  403  403  403  404
POST      namespace/{namespace}/settings/                403  403  403  403  303  303  403  403  403  404
GET       namespace/{namespace}/access/                  403  403  403  200  200  200  403  403  403  404
POST      namespace/{namespace}/role/                    403  403  403  403  303  303  403  403  403  404
POST      namespace/{namespace}/role/delete/             403  403  403  403  303  303  403  403  403  404
GET       namespace/{namespace}/delete/                  403  403  403  403  200  200  403  403  403  404
POST      namespace/{namespace}/delete/                  403  403  403  403  303  303  403  403  403  404
GET       admin/                                         403  403  403  403  403  200  403  403  403  -
GET       admin/storage/                                 403  403  403  403  403  200  403  403  403  -
POST      admin/storage/                                 403  403  403  403  403  303  403  403  403  -
GET       admin/audit/                                   403  403  403  403  403  200  403  403  403  -
GET       admin/configuration/                           403  403  403  403  403  200  403  403  403  -
GET       user/                                          403  200  200  200  200  200  200  200  403  -
# The two narrowed tokens end before the day that is asked for.
POST      user/                                          403  200  200  200  200  200  400  400  403  -
POST      user/token/{token}/revoke/                     403  303  303  303  303  303  303  303  403  404
GET       login/                                         200  200  200  200  200  200  200  200  200  -
POST      login/                                         200  200  200  200  200  200  200  200  200  -
GET       oauth_callback                                 403  403  403  403  403  403  403  403  403  -
POST      logout/                                        303  303  303  303  303  303  303  303  303  -
GET       static/{file}                                  200  200  200  200  200  200  200  200  200  404
GET       health                                         200  200  200  200  200  200  200  200  200  -
GET       ready                                          200  200  200  200  200  200  200  200  200  -
GET       metrics                                        200  200  200  200  200  200  200  200  200  -
"""

#: At the root of the host. The path is one that the rule of the router takes; of several rules the first counts.
REGISTRY = """
#                                                       anon stra view deve admi oper narr else expi  absent
GET,HEAD  /v2/                                           401  200  200  200  200  200  200  200  401  -
GET,HEAD  /v2/token                                      200  200  200  200  200  200  200  200  401  -
POST      /v2/token                                      401  200  200  200  200  200  200  200  401  -
GET,HEAD  /v2/_catalog                                   200  200  200  200  200  200  200  200  401  -
GET,HEAD  /v2/{repository}/manifests/{digest}            401  404  200  200  200  200  200  404  401  404
GET,HEAD  /v2/{repository}/blobs/{digest}                401  404  200  200  200  200  200  404  401  404
GET,HEAD  /v2/{repository}/tags/list                     401  404  200  200  200  200  200  404  401  404
GET,HEAD  /v2/{repository}/referrers/{digest}            401  404  200  200  200  200  200  404  401  404
GET,HEAD  /v2/{repository}/blobs/uploads/                405  405  405  405  405  405  405  405  405  405
GET,HEAD  /v2/nothing                                    404  404  404  404  404  404  404  404  404  -

# Nothing can be pushed or deleted, whoever asks.
POST,PUT,PATCH,DELETE,OPTIONS  /v2/                               405 405 405 405 405 405 405 405 405  -
PUT,PATCH,DELETE,OPTIONS       /v2/token                          405 405 405 405 405 405 405 405 405  -
POST,PUT,PATCH,DELETE,OPTIONS  /v2/_catalog                       405 405 405 405 405 405 405 405 405  -
POST,PUT,PATCH,DELETE,OPTIONS  /v2/{repository}/manifests/latest  405 405 405 405 405 405 405 405 405  405
POST,PUT,PATCH,DELETE,OPTIONS  /v2/{repository}/blobs/{digest}    405 405 405 405 405 405 405 405 405  405
POST,PUT,PATCH,DELETE,OPTIONS  /v2/{repository}/tags/list         405 405 405 405 405 405 405 405 405  405
POST,PUT,PATCH,DELETE,OPTIONS  /v2/{repository}/referrers/{digest} 405 405 405 405 405 405 405 405 405 405
POST,PUT,PATCH,DELETE,OPTIONS  /v2/{repository}/blobs/uploads/    405 405 405 405 405 405 405 405 405  405
POST,PUT,PATCH,DELETE,OPTIONS  /v2/nothing                        405 405 405 405 405 405 405 405 405  -
"""


@dataclass(frozen=True)
class Row:
    """One verb of one path; `absent` is None where nothing could be missing."""

    verb: str
    path: str
    statuses: dict[str, int]
    absent: int | None

    @property
    def is_refusal(self) -> frozenset[int]:
        """Statuses that say nothing about what exists."""
        return frozenset({401, 404} if self.path.startswith("/v2") else {403})

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def rows(table: str) -> list[Row]:
    """The rows of a table, one for each verb."""
    found = []
    for line in table.splitlines():
        if line and not line.startswith("#"):
            verbs, path, *statuses, absent = line.split()
            numbers = dict(zip(PEOPLE, map(int, statuses), strict=True))
            missing = None if absent == "-" else int(absent)
            place = path if path.startswith("/v2") else path.removeprefix("/")
            found += [Row(verb, place, numbers, missing) for verb in verbs.split(",")]
    return found


ROWS = [*rows(SITE), *rows(REGISTRY)]
