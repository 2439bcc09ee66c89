"""How images are made, as options, and the values that they become. What an image is made of is `registry/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict, Enum, Integer, List, TraitError, Unicode, Union, validate
from traitlets.config import Configurable

from conda_store.errors import CondaStoreError
from conda_store.image_options import ImageOptions, read_options
from conda_store.pieces.compression import GZIP, ZSTD
from conda_store.pieces.grouping import BUCKETS, DEFAULT_BUDGET
from conda_store.registry.platforms import oci_platform
from conda_store.registry.references import Reference, registry_host
from conda_store.registry.settings import DEFAULT_BASE_IMAGE, MAXIMUM_LAYERS, ImageSettings, RegistryAccess

_ON_DISK = ("oci:", "archive:")
_SCRATCH = "scratch"
_OPTIONS = ("user", "working_dir", "environment", "entrypoint", "command", "labels")


class ImageBuilder(Configurable):
    """What images stand on, how they are pressed, and what they are told when nobody else says it.

    The last six options are defaults: a setting `image` of a namespace or an environment, and the key `image` of a
    specification, go over them in this order; docs/images.md shows how.
    """

    base_image = Union(
        [Unicode(), Dict(key_trait=Unicode(), value_trait=Unicode())],
        default_value=DEFAULT_BASE_IMAGE,
        help="What images stand on: a registry reference, 'oci:DIRECTORY', 'archive:FILE' or 'scratch', or one for "
        "each platform. A tag is looked up once and stands for that digest from then on, so that a rebuild gives the "
        "same image; name another tag, or a digest, to move on. The default is a slim Debian, which has the C library "
        "that conda's packages expect. Example: {'linux-64': 'docker.io/library/debian:12-slim', 'linux-aarch64': "
        "'oci:/srv/bases/arm'}",
    ).tag(config=True)
    base_image_credentials = AnyTrait(
        {},
        help="User and password for each registry host from which base images are pulled; an access token stands for "
        "the password. Empty by default: pulls are anonymous. Workers get them, and no log, error or database; keep "
        "the file of options readable for the server's user alone. Example: {'ghcr.io': ['ana', "
        "open('/run/secrets/ghcr').read().strip()]}",
    ).tag(config=True, secret=True)
    insecure_registries = List(
        Unicode(),
        help="Hosts, with their port where it is not 80, that may speak plain HTTP, credentials included. Empty by "
        "default: only loopback may. What is pulled is compared with its digest in any case. Example: "
        "['registry.lan:5000']",
    ).tag(config=True)
    layer_compression = Enum(
        [GZIP.name, ZSTD.name],
        default_value=GZIP.name,
        help="How image layers are compressed. gzip, the default, is read by every client; zstd is smaller by a "
        "fifth, but docker before 23 and other old clients cannot pull it. Images that were made before a "
        "change stay as they are; of new ones every layer is made once more. Example: 'zstd'",
    ).tag(config=True)
    layer_budget = Integer(
        DEFAULT_BUDGET,
        min=BUCKETS + 2,
        max=MAXIMUM_LAYERS,
        help="Layers that an image may have besides those of its base; packages that find no layer of their own share "
        "twenty. docker runs at most 125 in all, and the default leaves room for a base and for images built upon it; "
        "fewer layers are shared less between images.",
    ).tag(config=True)
    user = Unicode(
        None,
        allow_none=True,
        help="User, and group after a ':', as which containers run. None, the default, is 1000:1000, who owns the home "
        "/home/conda. Any other number owns it in the same way; a name must be in the base image's /etc/passwd and has "
        "the home that stands there. Example: '2000:100'",
    ).tag(config=True)
    working_dir = Unicode(
        None,
        allow_none=True,
        help="Directory in which containers start, an absolute path; one that the image does not have is made by the "
        "container engine and belongs to root. None, the default, is the user's home. Example: '/work'",
    ).tag(config=True)
    environment = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Environment variables of containers, empty by default. A PATH gets the environment's programs in front; "
        "the variables of a specification win. Whoever can pull an image can read them: write no secret here. Example: "
        "{'TZ': 'Europe/Berlin'}",
    ).tag(config=True)
    entrypoint = Union(
        [Unicode(), List(Unicode())],
        default_value=None,
        allow_none=True,
        help="Program, with its first arguments, that runs in the activated environment and gets the command. None, "
        "the default, runs the command itself, or a shell; [] is an image without an entry point, in which PATH is "
        "set and nothing activated. Example: ['tini', '--']",
    ).tag(config=True)
    command = Union(
        [Unicode(), List(Unicode())],
        default_value=None,
        allow_none=True,
        help="Command, as words or as a text that is split as a shell would, that runs in the activated environment "
        "when a container is started without one. None, the default, is an interactive shell. Example: "
        "['jupyter', 'lab', '--ip=0.0.0.0']",
    ).tag(config=True)
    labels = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="Labels of images, besides title, description, base image and the specification's digest, which they have "
        "anyway. Empty by default. Those that begin with 'org.opencontainers.image.' become annotations too. Example: "
        "{'org.opencontainers.image.vendor': 'Data Lab'}",
    ).tag(config=True)

    @validate("base_image")
    def _known_bases(self, proposal: Any) -> Any:
        value = proposal["value"]
        with _named("base_image"):
            for platform, source in value.items() if isinstance(value, dict) else [(None, value)]:
                if platform is not None:
                    oci_platform(platform)
                if not source.startswith(_ON_DISK) and source.strip() != _SCRATCH:
                    Reference.parse(source.strip())
        return value

    @validate("base_image_credentials")
    def _pairs(self, proposal: Any) -> dict[str, tuple[str, str]]:
        """The shape is looked at here and by no trait, since a trait's error shows the value."""
        value = proposal["value"]
        shape = "write {'HOST': ['USER', 'PASSWORD']}, in the file of options and not on the command line"
        if not isinstance(value, Mapping):
            raise TraitError(f"c.ImageBuilder.base_image_credentials must be a dictionary: {shape}.")
        found = {}
        for host, pair in value.items():
            with _named("base_image_credentials"):
                name = registry_host(str(host))
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(word, str) for word in pair):
                raise TraitError(f"c.ImageBuilder.base_image_credentials has no user and password for {name}: {shape}.")
            found[name] = (pair[0], pair[1])
        return found

    @validate("insecure_registries")
    def _hosts(self, proposal: Any) -> list[str]:
        with _named("insecure_registries"):
            return [registry_host(host) for host in proposal["value"]]

    @validate(*_OPTIONS)
    def _sound(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        _, found = read_options({name: value})
        if found:
            raise TraitError("\n".join(f"c.ImageBuilder.{name}: {fault.message}" for fault in found))
        return value

    def settings(self) -> ImageSettings:
        """What images are made with."""
        said = {name: getattr(self, name) for name in _OPTIONS}
        options = ImageOptions.read({name: value for name, value in said.items() if value or value == []})
        return ImageSettings(ZSTD if self.layer_compression == ZSTD.name else GZIP, self.layer_budget, options)

    def access(self) -> RegistryAccess:
        """What workers need to pull base images."""
        return RegistryAccess(dict(self.base_image_credentials), frozenset(self.insecure_registries))


@contextmanager
def _named(option: str) -> Iterator[None]:
    """What is refused inside names the option."""
    try:
        yield
    except CondaStoreError as error:
        raise TraitError(f"c.ImageBuilder.{option}: {error.message}") from None
