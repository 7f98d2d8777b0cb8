"""Every format of secret on an added line: its own form is reported, what looks like it is not, and no finding repeats
a part of one. Tokens are put together here, so that no file of the repository holds anything like a real one."""

from __future__ import annotations

import pytest

from loom.analyzers.secrets import Secrets
from loom.core.change import ChangeRef, ChangeSet, NoFiles
from loom.core.diff import FileChange, Hunk
from loom.core.finding import RawFinding
from loom.infra.secret_rules import Rule
from loom.infra.secrets import RULES, find

M = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6" * 4
H = "0123456789abcdef" * 10
U = "A2B3C4D5E6F7G2H3I4J5K6L7M2N3O4P5Q6R7S2T3U4V5W6X7" * 2

# What looks like one and is none: too short, with a letter too many, the public half of a pair, a placeholder, a hash.
ALIKE: dict[str, tuple[str, ...]] = {
    "aws-access-key-id": ("AKIA" + U[:15], "BAKIA" + U[:16], "arn:aws:iam::123456789012:user/AKIAuser"),
    "aws-secret-key": ("aws_secret_access_key = <secret>", "secret_access_key = var.secret_access_key"),
    "aws-session-token": ("AWS_SESSION_TOKEN=" + "short1", "aws_session_token = null"),
    "aws-bedrock-key": ("ABSK" + M[:40], "FABSKETBALL"),
    "google-api-key": ("AIza" + M[:30], "AIzaYOUR_KEY"),
    "google-oauth-secret": ("GOCSPX-" + M[:20], "GOCSPX-..."),
    "google-access-token": ("ya29." + M[:20], "ya29.TOKEN"),
    "azure-storage-key": ("AccountKey=<key>", "AccountKey=..."),
    "azure-client-secret": (" a1b8Q~" + M[:20], "a1b8Q~"),
    "azure-devops-token": (M[:70] + "AZDO" + "A1b2", "AZDO1234"),
    "azure-sas": ("?sv=2022-11-02&sp=r&sig=REDACTED", "?sp=r&se=1&signature=x"),
    "digitalocean-token": ("dop_v1_" + H[:63], "dop_v1_<token>"),
    "heroku-key": ("HRKU-" + M[:20], "HRKU-your-key"),
    "fly-token": ("fo1_" + M[:30], "fm2_short"),
    "netlify-token": ("nfp_" + M[:20], "nfp_token"),
    "cloudflare-origin-key": ("v1.0-" + H[:24] + "-" + H[:40], "v1.0-alpha"),
    "alibaba-key-id": ("LTAI" + M[:10], "LTAI"),
    "supabase-key": ("sb_publishable_" + M[:24], "sbp_" + H[:30]),
    "planetscale-token": ("pscale_tkn_" + M[:20], "pscale_pw_PASSWORD"),
    "databricks-token": ("dapi" + H[:31], "dapixyz"),
    "tailscale-key": ("tskey-auth-" + "short", "tskey-auth-<key>"),
    "openshift-token": ("sha256~" + M[:20], "sha256:" + H[:64]),
    "vault-token": ("hvs." + M[:12], "hvs.TOKEN"),
    "terraform-token": (M[:14] + ".atlasv1." + M[:20], "xxx.atlasv1.yyy"),
    "pulumi-token": ("pul-" + H[:39], "pul-requests"),
    "doppler-token": ("dp.pt." + M[:20], "dp.st.dev"),
    "onepassword-token": ("ops_eyJ" + M[:30], "ops_team_eyJ"),
    "github-token": ("ghp_" + M[:20], "ghp_YOUR_TOKEN", "gh_pages_branch_with_a_rather_long_name_for_tests"),
    "github-fine-token": ("github_pat_" + M[:22], "github_pat_...", "github_patches_for_the_release_of_next_year"),
    "gitlab-token": ("glpat-" + M[:12], "glpat-<token>"),
    "gitlab-runner-token": ("GR1348941" + M[:10], "GR1348941"),
    "bitbucket-token": ("ATBB" + M[:16], "ATCTT3short"),
    "atlassian-token": ("ATATT3" + M[:30], "ATATT3xFf"),
    "sourcegraph-token": ("sgp_" + H[:30], "sgp_local_"),
    "buildkite-token": ("bkua_" + H[:39], "bkua_token"),
    "circleci-token": ("CCIPAT_" + M[:22] + "_" + H[:30], "CCIPAT_xxx"),
    "npm-token": ("npm_" + M[:35], "npm_config_registry_with_a_rather_long_name_x"),
    "pypi-token": ("pypi-AgEIcHlwaS5vcmc", "pypi-publish-action-with-a-rather-long-name-in-the-workflow"),
    "rubygems-key": ("rubygems_" + H[:40], "rubygems_api_key"),
    "docker-token": ("dckr_pat_" + M[:20], "dckr_pat_TOKEN"),
    "nuget-key": ("oy2" + H[:42], "toy2story"),
    "crates-token": ("cio" + M[:31], "cio" + "a" * 32),
    "artifactory-key": ("AKCp" + M[:60], "cmVmdGtuOjAx"),
    "sonar-token": ("squ_" + H[:39], "squ_are"),
    "postman-key": ("PMAK-" + H[:24] + "-" + H[:30], "PMAK-id"),
    "anthropic-key": ("sk-ant-api03-" + M[:20], "sk-ant-..."),
    "openrouter-key": ("sk-or-v1-" + H[:40], "sk-or-v1-<key>"),
    "openai-key": ("sk-proj-" + M[:30], "sk-proj-your-key"),
    "sk-key": ("sk-" + M[:31], "sk-" + "a" * 32, "risk-assessmentsofverylongcompoundwords"),
    "groq-key": ("gsk_" + M[:30], "gsk_your_key"),
    "xai-key": ("xai-" + M[:40], "xai-grok-4"),
    "replicate-token": ("r8_" + M[:30], "r8_token"),
    "perplexity-key": ("pplx-" + M[:30], "pplx-70b-online"),
    "huggingface-token": ("hf_" + M[:30], "hf_hub_download", "api_org_" + M[:20]),
    "nvidia-key": ("nvapi-" + M[:40], "nvapi-key"),
    "cerebras-key": ("csk-" + H[:30], "csk-key"),
    "fireworks-key": ("fw_" + M[:20], "fw_" + "version_of_the_firmware", "fw_" + "a" * 24),
    "langsmith-key": ("lsv2_pt_" + H[:32], "lsv2_pt_key"),
    "tavily-key": ("tvly-" + M[:20], "tvly-YOUR_API_KEY"),
    "elevenlabs-key": ("sk_" + H[:47], "sk_" + H[:49]),
    "slack-token": ("xoxb-your-token", "xoxb-" + "1234567890", "xapp-1-A1-2-short"),
    "slack-webhook": ("https://hooks.slack.com/services/", "https://hooks.slack.com/services/T0/B0"),
    "discord-token": ("M" + M[:10] + "." + M[:6] + "." + M[:38], "Module.method.another_rather_long_name_of_it"),
    "discord-webhook": ("https://discord.com/api/webhooks/123456789012345678/", "https://discord.com/api/webhooks/1/x"),
    "teams-webhook": ("https://acme.webhook.office.com/webhookb2/", "https://learn.microsoft.com/webhook"),
    "telegram-token": ("123456789:" + "AB" + M[:33], "1234:AA" + M[:33]),
    "twilio-key": ("SK" + H[:31], "SK" + H[:33], "AC" + H[:32]),
    "sendgrid-key": ("SG." + M[:22], "SG.Controllers.UserController"),
    "mailgun-key": ("key-" + H[:31], "key-" + H[:33], "pubkey-short"),
    "mailchimp-key": (H[:32] + "-usa", H[:31] + "-us12"),
    "brevo-key": ("xkeysib-" + H[:64], "xkeysib-..."),
    "stripe-key": ("pk_live_" + M[:24], "sk_test_xxx", "sk_live_..."),
    "webhook-secret": ("whsec_" + M[:16], "whsec_..."),
    "square-token": ("sq0atp-" + M[:12], "sq0atp-..."),
    "braintree-token": ("access_token$production$" + H[:16], "access_token$sandbox$"),
    "shopify-token": ("shpat_" + H[:31], "shpat_token"),
    "linear-key": ("lin_api_" + M[:20], "lin_api_key"),
    "notion-key": ("ntn_" + M[:30], "ntn_secret"),
    "figma-token": ("figd_" + M[:20], "figure_of_the_architecture_with_a_rather_long_name"),
    "airtable-token": ("pat" + M[:14] + "." + H[:60], "pattern.match"),
    "hubspot-token": ("pat-na1-" + "01234567-89ab", "pat-eu1-<token>"),
    "easypost-key": ("EZAK" + M[:50], "EZTK"),
    "mapbox-key": ("pk.eyJ" + M[:20] + "." + M[:8], "sk.eyJ" + "short"),
    "facebook-token": ("EAA" + M[:60], "EAAaaa"),
    "dropbox-token": ("sl." + M[:60], "ssl.create_default_context"),
    "contentful-token": ("CFPAT-" + M[:40], "CFPAT-token"),
    "newrelic-key": ("NRAK-" + U[:20], "NRAK-XXX"),
    "grafana-token": ("glsa_" + M[:20], "glc_short"),
    "sentry-token": ("sntryu_" + H[:60], "sntrys_token"),
    "dynatrace-token": ("dt0c01." + U[:24], "dt0c01.SAMPLE.TOKEN"),
    "posthog-key": ("phc_" + M[:43], "phx_" + M[:30]),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9.eyJ9.x"),
    "age-key": ("AGE-SECRET-KEY-1" + U[:50], "age1" + H[:58]),
    "url-password": ("https://host:8080/a@b", "postgres://user:$PASSWORD@host/x", "postgres://user:password@localhost/x"),
    "authorization": ("Authorization: Bearer <token>", "the bearer authenticationmiddleware"),
    "command-line-secret": ("tool --password=secret", "curl -u user:$PASS https://x"),
    "docker-auth": ('{"auth": "authenticationmethod"}', '{"auth": ""}'),
    "netrc-password": ("machine example.invalid login me password $PASS",),
    "element-secret": ("<password>${db.password}</password>", "<password></password>"),
    "password-assignment": ("password = get_password()", 'password = "changeme"', "password: string"),
    "secret-assignment": (
        "api_key = settings.API_KEY_2", 'secret = "aaaaaaaaaaaaaaaaaaaaaaaa"', 'token = "the_name_of_a_token_field"',
        'api_key = "your-api-key-goes-here"',
    ),
}  # fmt: skip


def findings(text: str) -> tuple[RawFinding, ...]:
    body = "\n".join(f"+{line}" for line in text.split("\n"))
    hunk = Hunk(1, 0, 1, text.count("\n") + 1, "", body.encode())
    return (
        Secrets()
        .run(ChangeSet(ChangeRef("diff"), (FileChange("a.py", "modified", hunks=(hunk,)),)), NoFiles())
        .findings
    )


def test_every_row_has_lines_that_look_like_it() -> None:
    assert list(ALIKE) == [rule.id for rule in RULES]
    assert len(RULES) >= 60


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_line_that_only_looks_like_a_secret_is_left_alone(rule: Rule) -> None:
    for line in (*ALIKE[rule.id], *rule.good):
        for text in (line, f"x = '{line}'", f"# see {line} for more"):
            assert [hit.rule for hit in find(text) if hit.rule == rule.id] == [], text
        assert findings(line) == (), line


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_secret_is_reported_in_code_and_in_configuration_and_never_repeated(rule: Rule) -> None:
    for parts in rule.bad:
        text = "".join(parts)
        secret = next(text[hit.start : hit.end] for hit in find(text) if hit.rule == rule.id)
        frames = (text,) if rule.weak else (text, f'x = "{text}"', f"key: {text}", f"run --with {text} && next")
        for line in frames:
            found = findings(line)
            if rule.id != "slack-webhook" or found:
                assert f"secrets/{rule.id}" in {finding.rule for finding in found}, line
            told = " ".join(finding.title + finding.message for finding in found)
            assert not any(secret[at : at + 10] in told for at in range(max(1, len(secret) - 9)))
            assert all(finding.quote is None and finding.suggestion is None for finding in found)


def test_a_github_token_of_an_app_is_found_whole_in_its_long_form() -> None:
    """`ghs_<app>_<JWT>`, about 520 characters: https://github.blog/changelog (2026)."""
    token = "ghs_" + "1234567_" + ".".join(("ey" + "J" + M[:34], "ey" + "J" + M[:190] + M[:60], M[:200]))
    assert len(token) > 480
    (hit,) = find(f"token: {token}\n")
    assert (hit.rule, hit.end - hit.start) == ("github-token", len(token))


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        (M[:24], True),
        (H[:32], True),
        ("aB3+xY9/kQ7z" * 2, True),
        ("a" * 32, False),
        ("abcabcabcabcabcabcabc", False),
        ("the_quick_brown_fox_jumps", False),
        ("com.example.service.Token", False),
        ("version20ofthetokenizer", False),
        (M[:12], False),
    ],
)
def test_an_assignment_to_a_telling_name_needs_a_value_that_looks_random(value: str, is_secret: bool) -> None:
    for line in (f'api_key = "{value}"', f'"client_secret": "{value}"', f"AUTH_TOKEN: '{value}'"):
        assert bool(findings(line)) is is_secret, line
