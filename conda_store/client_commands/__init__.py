"""The commands that speak to a server, one module for each noun: each asks `Client` one thing and prints the answer.

Only click is imported when they are: `conda-store --help` needs neither httpx nor rich.
"""

from conda_store.client_commands.account import info, login, logout
from conda_store.client_commands.audit import audit
from conda_store.client_commands.builds import cancel, diff, logs, rebuild, wait
from conda_store.client_commands.completion import completion
from conda_store.client_commands.downloads import download
from conda_store.client_commands.editing import edit
from conda_store.client_commands.environments import create, delete, list_environments, rollback, show
from conda_store.client_commands.namespaces import namespace, usage
from conda_store.client_commands.packages import search, solve
from conda_store.client_commands.running import run
from conda_store.client_commands.settings import setting
from conda_store.client_commands.tokens import token

COMMANDS = (
    login,
    logout,
    info,
    create,
    list_environments,
    show,
    edit,
    wait,
    logs,
    cancel,
    rebuild,
    rollback,
    diff,
    delete,
    download,
    run,
    solve,
    search,
    token,
    namespace,
    setting,
    usage,
    audit,
    completion,
)
