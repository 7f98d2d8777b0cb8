"""What may not be read, printed or named: variables that hold secrets, values that look like keys.

A quick guess on one value, for messages about a configuration; masking what goes to models is infra.secrets' work.
"""

from __future__ import annotations

import re

_SECRET_ENDINGS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS", "PAT")
_SECRET_HEADER = re.compile(r"auth|api-?key|token|secret|cookie|password|credential", re.IGNORECASE)

# The usual openings of keys (vendors, forges, clouds), and long runs that mix letters and digits as no name does.
_KEY_SHAPE = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:sk[-_]|rk[-_]|pk[-_](?:live|test)|gh[oprsu]_|github_pat_|glpat-|gl(?:dt|rt|ft|cbt|ptt|soat|agent)-|xox[abprs]-|AKIA|ASIA"
    r"|AIza|ya29\.|gsk_|hf_|nvapi-|pplx-|xai-|eyJ[A-Za-z0-9_-]{8}|-----BEGIN)[A-Za-z0-9_.-]{4}"
)
_WHOLE_KEY = re.compile(_KEY_SHAPE.pattern + r"[A-Za-z0-9_.-]{12,}")
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{32,}")

_PLATFORM_TOKENS = frozenset(
    (
        *("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GITHUB_PAT"),
        *("ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_CACHE_TOKEN"),
        *("CI_JOB_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V2", "CI_DEPLOY_PASSWORD", "CI_REGISTRY_PASSWORD"),
        *("CI_BUILD_TOKEN", "CI_REPOSITORY_URL", "CI_DEPENDENCY_PROXY_PASSWORD", "GITLAB_TOKEN"),
        *("GITLAB_PRIVATE_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN", "GITEA_ACTIONS_TOKEN"),
        *("BITBUCKET_TOKEN", "BITBUCKET_ACCESS_TOKEN", "BITBUCKET_APP_PASSWORD", "BITBUCKET_STEP_OIDC_TOKEN"),
        *("SYSTEM_ACCESSTOKEN", "AZURE_DEVOPS_EXT_PAT", "AZURE_DEVOPS_TOKEN"),
        *("LOOM_TOKEN", "LOOM_GITLAB_TOKEN", "LOOM_STATE_KEY"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "NPM_TOKEN", "NODE_AUTH_TOKEN", "TWINE_PASSWORD"),
        *("PYPI_TOKEN", "UV_PUBLISH_TOKEN", "VAULT_TOKEN", "SSH_PRIVATE_KEY", "DOCKER_AUTH_CONFIG"),
    )
)


def secret_variable(name: str) -> bool:
    """Whether a variable, by its name, holds a secret."""
    return name.upper().endswith(_SECRET_ENDINGS) or platform_token(name)


def platform_token(name: str) -> bool:
    """Whether a variable holds the CI job's or a forge's, registry's or cloud's own credential: never a model's key."""
    upper = name.upper()
    return upper in _PLATFORM_TOKENS or upper.startswith(("ACTIONS_", "CI_JOB_", "BITBUCKET_STEP_"))


def secret_header(name: str) -> bool:
    """Whether an HTTP header, by its name, carries a credential."""
    return bool(_SECRET_HEADER.search(name))


def looks_secret(value: str) -> bool:
    """Whether a value is shaped like a key. Errs on the side of yes: it only decides what is not printed."""
    if _KEY_SHAPE.search(value):
        return True
    return any(_mixed(run) for run in _LONG_RUN.findall(value))


def without_keys(text: str) -> str:
    """Free text with what is shaped like a key taken out."""
    return _WHOLE_KEY.sub(lambda found: ("" if found[0][0].isalnum() else found[0][0]) + "***", text)


def _mixed(run: str) -> bool:
    kinds = (any(c.isdigit() for c in run), any(c.islower() for c in run), any(c.isupper() for c in run))
    hexadecimal = len(run) >= 32 and all(c in "0123456789abcdefABCDEF" for c in run)
    return all(kinds) or hexadecimal
