"""The errors that a registry's client understands, and their JSON.

Format: OCI distribution-spec 1.1, "Error Codes". The text of `message` is what docker, podman and skopeo show.
"""

from __future__ import annotations

from typing import Any

from conda_store.errors import CondaStoreError


class RegistryError(CondaStoreError):
    """Base: `oci_code` is the error's name in the distribution-spec."""

    oci_code = "UNKNOWN"


class NameInvalid(RegistryError):
    """A text that is no repository name, or no on-demand request."""

    status = 400
    code = "name_invalid"
    oci_code = "NAME_INVALID"


class NameUnknown(RegistryError):
    """No repository of that name, or none that the caller may see."""

    status = 404
    code = "name_unknown"
    oci_code = "NAME_UNKNOWN"


class ManifestUnknown(RegistryError):
    """No manifest under that tag or digest; for an image that could not be made, the reason."""

    status = 404
    code = "manifest_unknown"
    oci_code = "MANIFEST_UNKNOWN"


class ImageIncomplete(ManifestUnknown):
    """A manifest is known, and something that it needs is gone from the storage: the image can be made again.

    `repository` is the name under which it is kept, which for requests for packages is not that of the URL.
    """

    def __init__(self, repository: str, digest: str, lost: str) -> None:
        super().__init__(
            f"The store has lost a part of the image {digest} ({lost}), and it was not made again: build the "
            "environment once more, or pull it by a tag."
        )
        self.repository, self.digest = repository, digest


class BlobUnknown(RegistryError):
    """No manifest of the repository reaches a blob of that digest."""

    status = 404
    code = "blob_unknown"
    oci_code = "BLOB_UNKNOWN"


class DigestInvalid(RegistryError):
    """A text that is no digest."""

    status = 400
    code = "digest_invalid"
    oci_code = "DIGEST_INVALID"


class PageInvalid(RegistryError):
    """A page size that is no number. The spec has a closed list of codes and none for this; its nearest is taken."""

    status = 400
    code = "page_invalid"
    oci_code = "SIZE_INVALID"


class RangeUnsatisfiable(RegistryError):
    """A byte range beyond the end of the blob."""

    status = 416
    code = "range_unsatisfiable"
    oci_code = "SIZE_INVALID"

    def __init__(self, size: int) -> None:
        super().__init__(f"The blob has {size} bytes, none of them in this range.")
        self.size = size


class ReferrersUnavailable(RegistryError):
    """What refers to an image could not be made, or not yet.

    Never a 404: clients take that for a registry without referrers, and tell their user that there are none.
    """

    status = 503
    code = "referrers_unavailable"


class Unauthorized(RegistryError):
    """No credentials, or credentials that count for nothing: the client may try again with others.

    `fault` is what a challenge says of a token that was shown (RFC 6750, 3.1): `invalid_token`, `insufficient_scope`.
    """

    status = 401
    code = "unauthorized"
    oci_code = "UNAUTHORIZED"

    def __init__(self, message: str, fault: str = "") -> None:
        super().__init__(message)
        self.fault = fault


class Denied(RegistryError):
    """Known to the registry, and refused."""

    status = 403
    code = "denied"
    oci_code = "DENIED"


class Unsupported(RegistryError):
    """What this registry does not do: it makes its images itself, so nobody pushes or deletes."""

    status = 405
    code = "unsupported"
    oci_code = "UNSUPPORTED"


class TooManyRequests(RegistryError):
    """A limit of the deployment; the same request may succeed later."""

    status = 429
    code = "too_many_requests"
    oci_code = "TOOMANYREQUESTS"


def envelope(error: CondaStoreError) -> dict[str, Any]:
    """`{"errors": [{code, message, detail}]}`; `detail` lists an error's problems, or is None."""
    code = error.oci_code if isinstance(error, RegistryError) else RegistryError.oci_code
    problems = [
        {"message": problem.message, "line": problem.line, "column": problem.column, "path": problem.path}
        for problem in error.problems
    ]
    return {"errors": [{"code": code, "message": error.message, "detail": problems or None}]}
