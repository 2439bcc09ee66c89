"""Requests to the registry that are mistakes, and how the distribution-spec 1.1 has them answered.

Some are malformed in a way that a client's library would put right: they go over the wire as they stand here.
"""

from __future__ import annotations

from tests.invented_images import sha256
from tests.specified_images import CONFIG, IMAGE, INDEX, LAYER, NAME, UNTAGGED

MANIFEST, BLOB = sha256(IMAGE), sha256(CONFIG)
UNKNOWN = "sha256:" + "0" * 64
SHA512 = "sha512:" + "a" * 128

NO_NAMES = [
    "Default/science",
    "default/Science",
    "default/_science",
    "default/science-",
    "default/.science",
    "default/sci..ence",
    "default/sci___ence",
    "default/sci._ence",
    "default/sci+ence",
    "default/sci%20ence",
    "default/sci%2Bence",
    "default/sc%C3%AFence",
    "default/a--",
    "default//science",
    "/science",
    "/",
    "default/",
    "default/../science",
    "../default/science",
    "default/%2e%2e/science",
    "default%2F..%2Fscience",
    "default/science%00",
    "default/science%0A",
    "default/%ff",
    "a" * 256,
    "a/" * 127 + "aa",
    "a" * 8000,
]
# Possible, and there are none: among them spellings that this server never gives an environment.
UNKNOWN_NAMES = [
    "default/nothing",
    "nothing/science",
    "science",
    "default",
    "default/science/more",
    "a/b/c/d/e",
    "default/a--2db",
    "default/x--41",
    "conda-store-dynamic",
    "a" * 255,
    "a/" * 127 + "a",
    "blobs",
    "tags/list",
    "v2/default/science",
]
ALL_OF_A_NAME = ["manifests/latest", f"manifests/{MANIFEST}", f"blobs/{BLOB}", "tags/list", f"referrers/{MANIFEST}"]

# What no tag can be has no manifest, and neither has a digest that is not there.
NO_TAGS = [
    "nothing",
    "Latest",
    "LATEST",
    UNKNOWN,
    BLOB,
    ".INVALID_MANIFEST_NAME",
    "-latest",
    "a" * 129,
    "a" * 5000,
    "..",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a@b",
    "%C3%A9",
    "latest%00",
    "latest%0A",
    "sha256-" + "0" * 64,
]
# Another algorithm than sha256 is spelt like a digest, and is of no use here.
NO_DIGESTS = [
    SHA512,
    "sha384:" + "a" * 96,
    "md5:" + "a" * 32,
    "blake3:" + "a" * 64,
    "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
    "sha256:",
    "sha256:abc",
    "sha256:" + "a" * 63,
    "sha256:" + "a" * 65,
    "sha256:" + "g" * 64,
    "sha256:" + "A" * 64,
    "SHA256:" + "a" * 64,
    BLOB.upper(),
    ":" + "a" * 64,
    "sha256::" + "a" * 64,
    "sha256:..",
    "sha256:..%2F..%2Fetc%2Fpasswd",
    UNKNOWN + "%00",
    UNKNOWN + "%0A",
    "sha256%3A",
]
NO_NUMBERS = ["-1", "-0", "%2B1", "1.5", "1e3", "0x10", "many", "null", "1_000", "%D9%A1", "%C2%B2", "1&n=x"]
# What the specification does not know.
NO_PATHS = [
    NAME,
    f"{NAME}/",
    f"{NAME}/manifests",
    f"{NAME}/manifests/",
    f"{NAME}/manifests/latest/",
    f"{NAME}/manifests/a/b",
    f"{NAME}/blobs",
    f"{NAME}/blobs/",
    f"{NAME}/blobs/{BLOB}/",
    f"{NAME}/tags",
    f"{NAME}/tags/",
    f"{NAME}/tags/list/",
    f"{NAME}/tags/latest",
    f"{NAME}/referrers",
    f"{NAME}/referrers/",
    f"{NAME}/_oci/ext/discover",
    "_catalog/",
    "_catalogue",
    "_oci/ext/discover",
    "manifests/latest",
    "tags/list",
    f"blobs/{BLOB}",
    "../",
    "/",
    "%00",
    "%ff",
    "<script>",
]

#: Paths below `/v2/`, and the status and OCI code that GET and HEAD of each of them get.
MISTAKES: list[tuple[list[str], int, str]] = [
    *(([f"{name}/{path}" for path in ALL_OF_A_NAME], 400, "NAME_INVALID") for name in NO_NAMES),
    *(([f"{name}/{path}" for path in ALL_OF_A_NAME], 404, "NAME_UNKNOWN") for name in UNKNOWN_NAMES),
    *(([f"{NAME}/manifests/{tag}"], 404, "MANIFEST_UNKNOWN") for tag in NO_TAGS),
    *(
        ([f"{NAME}/{kind}/{digest}" for kind in ("blobs", "manifests", "referrers")], 400, "DIGEST_INVALID")
        for digest in NO_DIGESTS
    ),
    ([f"{NAME}/{kind}/latest" for kind in ("blobs", "referrers")], 400, "DIGEST_INVALID"),
    ([f"{NAME}/blobs/{UNKNOWN}"], 404, "BLOB_UNKNOWN"),
    ([f"{UNTAGGED}/manifests/latest"], 404, "MANIFEST_UNKNOWN"),
    # Stored, but not in this repository, or not as this.
    ([f"{NAME}/blobs/{sha256(INDEX)}", f"{UNTAGGED}/blobs/{BLOB}"], 404, "BLOB_UNKNOWN"),
    ([f"{NAME}/manifests/{sha256(INDEX)}", f"{UNTAGGED}/manifests/{sha256(LAYER)}"], 404, "MANIFEST_UNKNOWN"),
    *(([f"{path}?n={text}" for path in (f"{NAME}/tags/list", "_catalog")], 400, "SIZE_INVALID") for text in NO_NUMBERS),
    # An address that is no text.
    *(
        ([f"{NAME}/{path}%ff"], 400, "NAME_INVALID")
        for path in ("manifests/", "blobs/", "referrers/", "tags/list?n=", "tags/list?last=")
    ),
    *(([path], 404, "NAME_UNKNOWN") for path in NO_PATHS),
]
