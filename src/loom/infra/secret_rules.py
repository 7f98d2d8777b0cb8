"""What secrets look like: one row per format, with a line that must be found and lines that must not.

Own rules, written from the vendors' documentation of their formats. Patterns are RE2 (no look-around). Most have no
leading word boundary on purpose: a key glued to other text is still a key. Examples are kept in parts, so that the
secret scanners of the places where this file is stored do not take them for real ones; the digits count up.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIXED = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6" * 4
_HEX = "0123456789abcdef" * 10
_UPPER = "A2B3C4D5E6F7G2H3I4J5K6L7M2N3O4P5Q6R7S2T3U4V5W6X7" * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One format of secret."""

    id: str
    title: str
    """What it is, as the middle of a sentence: "a GitHub token"."""
    pattern: str
    group: int = 0
    """The group that is the secret; the rest of the match is context and stays."""
    entropy: float = 0.0
    """Bits per character that the secret must at least have."""
    weak: bool = False
    """Recognised by the name beside it or by its place, not by its own form: placeholders are then sorted out."""
    keywords: tuple[str, ...] = ()
    """Lower-case literals, one of which every match contains: looked for before the pattern is tried. None: always."""
    bad: tuple[tuple[str, ...], ...]
    """Lines that hold such a secret, in parts."""
    good: tuple[str, ...] = ()
    """Lines that look alike and hold none."""


def _row(
    id: str,  # noqa: A002 (the field's name)
    title: str,
    pattern: str,
    *bad: tuple[str, ...],
    group: int = 0,
    entropy: float = 0.0,
    good: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        id=id,
        title=title,
        pattern=pattern,
        group=group,
        entropy=entropy,
        bad=bad,
        good=good,
    )


_CLOUD = (
    _row("aws-access-key-id", "an AWS access key id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
         ("AKIA", _UPPER[:16]), good=("AKIA" + "IOSFODNN7EXAMPL",)),
    _row("aws-secret-key", "an AWS secret access key",
         r"""(?i)(?:aws.{0,20}secret|secret_?access_?key)[\w"' ]{0,20}(?:=>|[:=,])"""
         r"""[ \t"']{0,4}([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)""",
         ("aws_secret_access_key = ", _MIXED[:40]), group=1, entropy=3.5),
    _row("aws-session-token", "an AWS session token",
         r"""(?i)aws_?session_?token["' ]{0,3}(?:=>|[:=,])[ \t"']{0,4}([A-Za-z0-9/+=]{80,})""",
         ("AWS_SESSION_TOKEN=", _MIXED[:120]), group=1),
    _row("aws-bedrock-key", "an Amazon Bedrock API key", r"\bABSK[A-Za-z0-9+/]{100,}={0,2}",
         ("ABSK", _MIXED[:128])),
    _row("google-api-key", "a Google API key", r"AIza[0-9A-Za-z_-]{35}", ("AIza", "Sy", _MIXED[:33])),
    _row("google-oauth-secret", "a Google OAuth client secret", r"GOCSPX-[\w-]{28}",
         ("GOCSPX-", _MIXED[:28])),
    _row("google-access-token", "a Google access token", r"\bya29\.[\w-]{30,}", ("ya29.", _MIXED[:60])),
    _row("azure-storage-key", "an Azure storage account key",
         r"(?i)(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{43,86}={1,2})", ("AccountKey=", _MIXED[:86], "=="), group=1),
    _row("azure-client-secret", "an Azure AD client secret",
         r"(?:^|[^\w~.-])([\w~.-]{3}\dQ~[\w~.-]{31,34})", (" a1b", "8Q~", _MIXED[:34]), group=1),
    _row("azure-devops-token", "an Azure DevOps token", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
         (_MIXED[:76], "AZDO", "A1b2")),
    _row("azure-sas", "an Azure shared access signature",
         r"(?:sv|se|sp)=[^\s\"']*&sig=([A-Za-z0-9%+/]{40,}(?:%3[Dd]|=)?)",
         ("?sv=2022-11-02&sp=r&sig=", _MIXED[:43], "%3D"), group=1),
    _row("digitalocean-token", "a DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}", ("dop_v1_", _HEX[:64])),
    _row("heroku-key", "a Heroku API key", r"HRKU-[\w-]{36,}", ("HRKU-", _MIXED[:60])),
    _row("fly-token", "a Fly.io token", r"(?:fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{60,}={0,3})",
         ("fo1_", _MIXED[:43])),
    _row("netlify-token", "a Netlify token", r"\bnfp_[A-Za-z0-9]{36,}", ("nfp_", _MIXED[:40])),
    _row("cloudflare-origin-key", "a Cloudflare origin CA key", r"\bv1\.0-[a-f0-9]{24}-[a-f0-9]{100,}",
         ("v1.0-", _HEX[:24], "-", _HEX[:146])),
    _row("alibaba-key-id", "an Alibaba Cloud access key id", r"\bLTAI[A-Za-z0-9]{17,26}\b",
         ("LTAI", _MIXED[:20])),
    _row("supabase-key", "a Supabase key", r"\b(?:sbp_[a-f0-9]{40}|sb_secret_[\w-]{20,})",
         ("sbp_", _HEX[:40])),
    _row("planetscale-token", "a PlanetScale credential", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}",
         ("pscale_pw_", _MIXED[:43])),
    _row("databricks-token", "a Databricks token", r"\bdapi[a-f0-9]{32}(?:-\d)?", ("dapi", _HEX[:32])),
    _row("tailscale-key", "a Tailscale key", r"tskey-[a-z]{2,10}-[A-Za-z0-9-]{16,}",
         ("tskey-auth-", _MIXED[:30])),
    _row("openshift-token", "an OpenShift token", r"\bsha256~[\w-]{43}", ("sha256~", _MIXED[:43])),
    _row("vault-token", "a HashiCorp Vault token", r"\bhv[sbr]\.[\w-]{24,}", ("hvs.", _MIXED[:90])),
    _row("terraform-token", "a Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}",
         (_MIXED[:14], ".atlasv1.", _MIXED[:67])),
    _row("pulumi-token", "a Pulumi token", r"\bpul-[a-f0-9]{40}", ("pul-", _HEX[:40])),
    _row("doppler-token", "a Doppler token", r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,}",
         ("dp.pt.", _MIXED[:43])),
    _row("onepassword-token", "a 1Password service account token", r"\bops_eyJ[\w+/-]{60,}={0,2}",
         ("ops_eyJ", _MIXED[:200])),
)  # fmt: skip

_FORGES = (
    # `ghs_` became `ghs_<app>_<JWT>`, about 520 characters, in 2026; GitHub advises `ghs_[A-Za-z0-9._]{36,}`.
    # The second form is a token that was cut in two to pass scanners: 'ghp_…' + '…'.
    _row("github-token", "a GitHub token",
         r"""gh[pousr]_(?:[A-Za-z0-9_.-]{35,}[A-Za-z0-9]"""
         r"""|[A-Za-z0-9]{8,}["'`][ \t]*[+.,\\]?[ \t]*["'`][A-Za-z0-9_.-]{4,})""",
         ("ghp_", _MIXED[:36]), ("ghs_", "12345_ey", "J" + _MIXED[:40], ".ey", "J" + _MIXED, ".", _MIXED),
         ("'ghp_", _MIXED[:12], "' + '", _MIXED[12:36], "'"),
         good=("ghp_short", "see gh_something_that_is_long_but_no_token_at_all")),
    _row("github-fine-token", "a GitHub fine-grained token", r"github_pat_[A-Za-z0-9_]{36,}",
         ("github_pat_", _MIXED[:22], "_", _MIXED[:59])),
    _row("gitlab-token", "a GitLab token",
         r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct)-[\w-]{20,}(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9})?",
         ("glpat-", _MIXED[:20]), ("glrt-", _MIXED[:20]), ("glpat-", _MIXED[:27], ".01.", "a1b2c3d4e")),
    _row("gitlab-runner-token", "a GitLab runner registration token", r"GR1348941[\w-]{20,}",
         ("GR1348941", _MIXED[:20])),
    _row("bitbucket-token", "a Bitbucket credential",
         r"\b(?:ATBB[A-Za-z0-9]{24,}|ATCTT3[A-Za-z0-9_=-]{60,})", ("ATBB", _MIXED[:32])),
    _row("atlassian-token", "an Atlassian API token", r"ATATT3[A-Za-z0-9_=-]{60,}",
         ("ATATT3x", "FfGF0", _MIXED[:180])),
    _row("sourcegraph-token", "a Sourcegraph token", r"\bsgp_(?:[a-f0-9]{16}_|local_)?[a-f0-9]{40}",
         ("sgp_", _HEX[:40])),
    _row("buildkite-token", "a Buildkite token", r"\bbk(?:ua|ct|aj|at)_[a-f0-9]{40}",
         ("bkua_", _HEX[:40])),
    _row("circleci-token", "a CircleCI token", r"\bCCIP(?:AT|RJ)_[A-Za-z0-9]{16,}_[a-f0-9]{40}",
         ("CCIPAT_", _MIXED[:22], "_", _HEX[:40])),
    _row("npm-token", "an npm token", r"\bnpm_[A-Za-z0-9]{36}", ("npm_", _MIXED[:36]),
         good=("npm_config_registry_with_a_rather_long_name_x",)),
    _row("pypi-token", "a PyPI token", r"pypi-AgE[\w-]{50,}", ("pypi-", "AgEIcHlwaS5vcmc", _MIXED[:70])),
    _row("rubygems-key", "a RubyGems API key", r"\brubygems_[a-f0-9]{48}", ("rubygems_", _HEX[:48])),
    _row("docker-token", "a Docker Hub token", r"\bdckr_(?:pat|oat)_[\w-]{27,}", ("dckr_pat_", _MIXED[:27])),
    _row("nuget-key", "a NuGet API key", r"\boy2[a-z0-9]{43}\b", ("oy2", _HEX[:43])),
    _row("crates-token", "a crates.io token", r"\bcio[A-Za-z0-9]{32}\b", ("cio", _MIXED[:32]), entropy=3.5),
    _row("artifactory-key", "an Artifactory key",
         r"\b(?:AKCp[A-Za-z0-9]{69}|cmVmdGtuOj[A-Za-z0-9+/]{54})", ("AKCp", _MIXED[:69])),
    _row("sonar-token", "a Sonar token", r"\bsq[upa]_[a-f0-9]{40}", ("squ_", _HEX[:40])),
    _row("postman-key", "a Postman API key", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
         ("PMAK-", _HEX[:24], "-", _HEX[:34])),
)  # fmt: skip

_MODELS = (
    _row("anthropic-key", "an Anthropic API key", r"sk-ant-[a-z]{2,8}\d{2}-[\w-]{32,}",
         ("sk-ant-api03-", _MIXED[:93], "AA")),
    _row("openrouter-key", "an OpenRouter key", r"sk-or-v\d-[a-f0-9]{48,}", ("sk-or-v1-", _HEX[:64])),
    _row("openai-key", "an OpenAI key",
         r"\bsk-(?:(?:proj|svcacct|admin|None)-[\w-]{40,}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})",
         ("sk-proj-", _MIXED[:74]), ("sk-", _MIXED[:20], "T3Blbk", "FJ", _MIXED[:20])),
    _row("sk-key", "an API key (form sk-…, as DeepSeek and other model hosts use)",
         r"\bsk-([A-Za-z0-9]{32,64})\b",
         ("sk-", _HEX[:32]), entropy=3.3, good=("sk-" + "a" * 32, "risk-assessmentsofverylongcompoundwords")),
    _row("groq-key", "a Groq key", r"\bgsk_[A-Za-z0-9]{40,}", ("gsk_", _MIXED[:52])),
    _row("xai-key", "an xAI key", r"\bxai-[A-Za-z0-9]{60,}", ("xai-", _MIXED[:80])),
    _row("replicate-token", "a Replicate token", r"\br8_[A-Za-z0-9]{36,}", ("r8_", _MIXED[:37])),
    _row("perplexity-key", "a Perplexity key", r"pplx-[A-Za-z0-9]{40,}", ("pplx-", _MIXED[:48])),
    _row("huggingface-token", "a Hugging Face token", r"\b(?:hf_|api_org_)[A-Za-z0-9]{34,}",
         ("hf_", _MIXED[:34])),
    _row("nvidia-key", "an NVIDIA API key", r"nvapi-[\w-]{60,}", ("nvapi-", _MIXED[:64])),
    _row("cerebras-key", "a Cerebras key", r"\bcsk-[a-z0-9]{40,}", ("csk-", _HEX[:48])),
    _row("fireworks-key", "a Fireworks key", r"\bfw_[A-Za-z0-9]{22,28}\b", ("fw_", _MIXED[:24]), entropy=3.5),
    _row("langsmith-key", "a LangSmith key", r"\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}",
         ("lsv2_pt_", _HEX[:32], "_", _HEX[:10])),
    _row("tavily-key", "a Tavily key", r"\btvly-(?:dev-|prod-)?[A-Za-z0-9]{32}", ("tvly-", _MIXED[:32])),
    _row("elevenlabs-key", "an ElevenLabs key", r"\bsk_[a-f0-9]{48}\b", ("sk_", _HEX[:48])),
)  # fmt: skip

_SERVICES = (
    _row("slack-token", "a Slack token",
         r"(?:xox[abeoprs][.-](?:xox[bp]-)?[\w-]{20,}|xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{20,})",
         ("xoxb-", "123456789012-123456789012-", _MIXED[:24]), ("xapp-1-", "A0123456-123456789-", _HEX[:64])),
    _row("slack-webhook", "a Slack webhook address",
         r"https?://hooks\.slack\.com/(?:services|workflows|triggers)/[\w/-]{20,}",
         ("https://hooks.slack.com/services/", "T00000000/B00000000/", _MIXED[:24])),
    _row("discord-token", "a Discord bot token", r"\b[MNO][A-Za-z\d_-]{23,25}\.[\w-]{6}\.[\w-]{27,38}\b",
         ("M", _MIXED[:23], ".", _MIXED[:6], ".", _MIXED[:38]), entropy=3.8),
    _row("discord-webhook", "a Discord webhook address",
         r"discord(?:app)?\.com/api/webhooks/\d{17,20}/([\w-]{60,})",
         ("https://discord.com/api/webhooks/", "123456789012345678/", _MIXED[:68]), group=1),
    _row("teams-webhook", "a Teams webhook address",
         r"https://[a-z0-9-]+\.webhook\.office\.com/webhookb2/[\w@/-]{60,}",
         ("https://acme.webhook.office.com/webhookb2/", _HEX[:36], "@", _HEX[:36], "/IncomingWebhook/", _HEX[:32])),
    _row("telegram-token", "a Telegram bot token", r"\b\d{8,10}:AA[\w-]{32,34}",
         ("123456789:", "AA", _MIXED[:33])),
    _row("twilio-key", "a Twilio API key", r"\bSK[a-f0-9]{32}\b", ("SK", _HEX[:32])),
    _row("sendgrid-key", "a SendGrid key", r"\bSG\.[\w-]{20,24}\.[\w-]{39,50}",
         ("SG.", _MIXED[:22], ".", _MIXED[:43])),
    _row("mailgun-key", "a Mailgun key", r"\bkey-[a-f0-9]{32}\b", ("key-", _HEX[:32])),
    _row("mailchimp-key", "a Mailchimp key", r"\b[a-f0-9]{32}-us\d{1,2}\b", (_HEX[:32], "-us", "12")),
    _row("brevo-key", "a Brevo key", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",
         ("xkeysib-", _HEX[:64], "-", _MIXED[:16])),
    _row("stripe-key", "a Stripe key", r"\b[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,}",
         ("sk_live_", _MIXED[:24])),
    _row("webhook-secret", "a webhook signing secret (Stripe, Svix)", r"\bwhsec_[A-Za-z0-9+/]{24,}={0,2}",
         ("whsec_", _MIXED[:32])),
    _row("square-token", "a Square token", r"\bsq0(?:atp|csp|idp)-[\w-]{22,}", ("sq0atp-", _MIXED[:22])),
    _row("braintree-token", "a Braintree access token",
         r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
         ("access_token$production$", _HEX[:16], "$", _HEX[:32])),
    _row("shopify-token", "a Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}", ("shpat_", _HEX[:32])),
    _row("linear-key", "a Linear key", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}", ("lin_api_", _MIXED[:40])),
    _row("notion-key", "a Notion key", r"\bntn_[A-Za-z0-9]{40,}", ("ntn_", _MIXED[:46])),
    _row("figma-token", "a Figma token", r"\bfig[duo]r?_[\w-]{36,}", ("figd_", _MIXED[:40])),
    _row("airtable-token", "an Airtable token", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}\b",
         ("pat", _MIXED[:14], ".", _HEX[:64])),
    _row("hubspot-token", "a HubSpot token", r"\bpat-(?:na|eu)\d-[a-f0-9-]{36}",
         ("pat-na1-", "01234567-89ab-cdef-0123-456789abcdef")),
    _row("easypost-key", "an EasyPost key", r"\bEZ[AT]K[A-Za-z0-9]{54}", ("EZAK", _MIXED[:54])),
    _row("mapbox-key", "a Mapbox secret token", r"\bsk\.eyJ[\w-]{20,}\.[\w-]{20,}",
         ("sk.eyJ", _MIXED[:60], ".", _MIXED[:22])),
    _row("facebook-token", "a Facebook access token", r"\bEAA[A-Za-z0-9]{90,}", ("EAA", _MIXED[:160])),
    _row("dropbox-token", "a Dropbox token", r"\bsl\.[\w-]{120,}", ("sl.", _MIXED[:136])),
    _row("contentful-token", "a Contentful token", r"\bCFPAT-[\w-]{43}", ("CFPAT-", _MIXED[:43])),
    _row("newrelic-key", "a New Relic key", r"\bNR(?:AK|II|AA)-[A-Za-z0-9_-]{27,}",
         ("NRAK-", _UPPER[:27])),
    _row("grafana-token", "a Grafana token",
         r"\b(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}={0,2})",
         ("glsa_", _MIXED[:32], "_", _HEX[:8])),
    _row("sentry-token", "a Sentry token", r"\bsntry(?:s_eyJ[\w+/=-]{40,}|u_[a-f0-9]{64})",
         ("sntryu_", _HEX[:64])),
    _row("dynatrace-token", "a Dynatrace token", r"\bdt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
         ("dt0c01.", _UPPER[:24], ".", _UPPER[:64])),
    _row("posthog-key", "a PostHog personal key", r"\bphx_[A-Za-z0-9_-]{40,}", ("phx_", _MIXED[:43])),
    _row("jwt", "a JSON web token", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",
         ("eyJhbGciOi", "JIUzI1NiJ9.eyJ", "zdWIiOiIxMjM0NTY3ODkwIn0.", _MIXED[:43])),
    _row("age-key", "an age secret key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
         ("AGE-SECRET-KEY-", "1", _UPPER[:58])),
)  # fmt: skip

FORMATS: tuple[Rule, ...] = (*_CLOUD, *_FORGES, *_MODELS, *_SERVICES)
"""Secrets that are known by their own form."""
