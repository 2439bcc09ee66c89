"""Policy and private channels as options of the deployment, below all settings."""

from __future__ import annotations

from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict, List, TraitError, Unicode, validate
from traitlets.config import Configurable

from conda_store.errors import BadInput, CondaStoreError
from conda_store.managers.policies import check_rules
from conda_store.packages.channel_urls import normal_url
from conda_store.packages.channels import DEFAULT_REDIRECTS, ChannelPolicy
from conda_store.packages.credentials import Credential, Credentials
from conda_store.settings import checked


class EnvironmentPolicy(Configurable):
    """What environments may consist of; docs/policy.md tells how deployment, namespaces and environments share it."""

    settings = Dict(
        help="Values of settings for the whole deployment, by the names of api/v1/setting/. They go before other "
        "options of the same, and after what the REST API sets. Empty by default: nothing is denied or added. "
        "Example: {'conda_denied_packages': ['openssl <3'], 'denied_licenses': ['AGPL-*'], 'quota_bytes': "
        "50_000_000_000}"
    ).tag(config=True)
    allowed_redirects = List(
        Unicode(),
        list(DEFAULT_REDIRECTS),
        help="Prefixes of URLs to which a channel may redirect besides allowed channels, such as the storage behind "
        "it; every other redirect is refused before it is followed. The default is the storage of anaconda.org. "
        "Example: ['https://storage.example.org/conda']",
    ).tag(config=True)

    @validate("settings")
    def _known(self, proposal: Any) -> Any:
        try:
            values = checked(proposal["value"])
            check_rules(values, environment=False)
        except CondaStoreError as error:
            raise TraitError(f"c.EnvironmentPolicy.settings: {error.message}") from None
        return values


class ChannelCredentials(Configurable):
    """What opens private channels to all namespaces; a namespace's own go before."""

    channels = AnyTrait(
        {},
        help="Credentials for the URL of each channel or package index: 'basic' with user and password, 'bearer', or "
        "'token' for conda's /t/<token>/. Empty by default. Only requests below that URL carry them. Workers get them, "
        "and no log, error or database; keep the file of options readable for the server's user alone. Example: "
        "{'https://conda.example.org/ours': {'kind': 'bearer', 'secret': open('/run/secrets/ours').read().strip()}}",
    ).tag(config=True, secret=True)

    @validate("channels")
    def _whole(self, proposal: Any) -> Any:
        try:
            _read(proposal["value"])
        except (CondaStoreError, AttributeError, TypeError, ValueError) as error:
            words = error.message if isinstance(error, CondaStoreError) else "not a dictionary of dictionaries"
            raise TraitError(f"c.ChannelCredentials.channels: {words}") from None
        return proposal["value"]

    def credentials(self) -> Credentials:
        """What workers get."""
        return _read(self.channels)


def check_channels(policy: ChannelPolicy) -> None:
    """Raises `BadInput` for channels of the configuration that no environment could use, by the option's name."""
    options = {
        "channel_alias": (normal_url, (policy.alias,)),
        "default_channels": (policy.channel_url, policy.default_channels),
        "allowed_channels": (policy.channel_url, policy.allowed_channels),
    }
    for option, (read, channels) in options.items():
        for channel in channels:
            try:
                # Something that may stand in a name, a host and a port, for what a pattern leaves open.
                read(channel.replace("*", "1"))
            except BadInput as error:
                raise BadInput(f"c.CondaStore.{option}: {error.message}") from None


def _read(channels: Any) -> Credentials:
    return Credentials(tuple(Credential.read(url, said) for url, said in dict(channels).items()))
