"""A JupyterHub with conda-store as its service: `make hub-demo`, then http://127.0.0.1:8000/services/conda-store/.

Anybody signs in under any name of `allowed_users` with the password of the demonstration: for one's own machine only.
"""

import os
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner

from conda_store import hub

directory = Path(os.environ.get("HUB_DIRECTORY", ".demo/hub")).absolute()
directory.mkdir(parents=True, exist_ok=True)
port = int(os.environ.get("HUB_PORT", "8000"))
service_port = int(os.environ.get("CONDA_STORE_PORT", "5000"))
registry_port = int(os.environ.get("CONDA_STORE_REGISTRY_PORT", "5001"))


class Spawner(hub.CondaStoreSpawnerMixin, SimpleLocalProcessSpawner):
    """Lets people choose an environment for their server, such as that of environment.yaml beside this file."""


c = get_config()  # noqa: F821  JupyterHub provides it
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_port = int(os.environ.get("HUB_API_PORT", "8081"))
c.JupyterHub.db_url = f"sqlite:///{directory}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = str(directory / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(directory / "proxy.pid")
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ.get('HUB_PROXY_PORT', '8001')}"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = Spawner
c.SimpleLocalProcessSpawner.home_dir_template = str(directory / "homes/{username}")
c.DummyAuthenticator.password = os.environ.get("HUB_PASSWORD", "demonstration")
c.Authenticator.allowed_users = {"ana", "ben", "eve"}
c.JupyterHub.load_groups = {"data": {"users": ["ana"]}, "art": {"users": ["ben"]}}

# What conda-store needs: the service, its scopes, who may use it, and notebooks that may in their user's name.
c.JupyterHub.services = [
    hub.service(
        f"http://127.0.0.1:{service_port}",
        f"--directory={directory / 'conda-store'}",
        f"--CondaStore.registry_port={registry_port}",
        f"--CondaStore.image_host=127.0.0.1:{port}",  # what people type; servers and spawner ask at another address
        *filter(None, [os.environ.get("CONDA_STORE_CONFIG") and f"--config={os.environ['CONDA_STORE_CONFIG']}"]),
    )
]
c.JupyterHub.custom_scopes = hub.scopes()
c.JupyterHub.load_roles = hub.roles(groups=["data", "art"])
c.Spawner.server_token_scopes = hub.server_token_scopes()
# Where their servers find it, and the spawner too: straight at the service, which is on the same machine here.
c.Spawner.environment = hub.server_environment(f"http://127.0.0.1:{service_port}")
# The registry on the Hub's own host, so that `docker login` and `docker pull` take the address that people know.
c.Proxy.extra_routes = {"/v2/": f"http://127.0.0.1:{service_port}"}
