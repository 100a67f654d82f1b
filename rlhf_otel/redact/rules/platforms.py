"""Keys of clouds, of where code and packages are kept, and of databases, as their makers document them."""

from __future__ import annotations

from typing import Final

from rlhf_otel.redact.rule import ALNUM, ALONE, BASE64, HEX, URL64, UUID, Rule, prefixed, rule

PLATFORM_RULES: Final[tuple[Rule, ...]] = (
    rule("aws-key", ALONE + rf"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}(?![{ALNUM}])", "AKIA", "ASIA", "ABIA", "ACCA",
         hint="A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{8}"),
    prefixed("aws-bedrock-key", "ABSK bedrock-api-key-", rf"[{BASE64}]{{60,}}={{0,2}}"),
    rule("azure-storage-key", rf"(?P<keep>(?:Account|SharedAccess)Key=)[{BASE64}]{{40,}}={{0,2}}",
         "AccountKey=", "SharedAccessKey="),
    rule("azure-sas", rf"(?P<keep>[?&;](?:amp;)?sig=)[{BASE64}%=-]{{40,}}", "sig=", hint="sig=[A-Za-z0-9+/%=-]{8}"),
    rule("azure-client-secret", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,}",
         "Q~", hint="[0-9]Q~[A-Za-z0-9_~.-]{8}"),
    rule("azure-key", rf"(?<![{BASE64}=])[{ALNUM}]{{52}}JQQJ99[{ALNUM}]{{10,60}}(?![{BASE64}=])", "JQQJ99"),
    rule("azure-devops-token", rf"(?<![{ALNUM}])[{ALNUM}]{{72,76}}AZDO[{ALNUM}]{{4}}(?![{ALNUM}])",
         "AZDO", hint="[A-Za-z0-9]{8}AZDO"),
    prefixed("alibaba-key", "LTAI", f"[{ALNUM}]{{12,26}}(?![{ALNUM}])"),
    rule("tencent-key", ALONE + rf"AKID[{ALNUM}]{{32}}(?![{ALNUM}])", "AKID"),
    prefixed("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", f"[{HEX}]{{64}}"),
    prefixed("heroku-key", "HRKU-", f"[{URL64}]{{36,}}"),
    prefixed("cloudflare-origin-key", "v1.0-", f"[{HEX}]{{24}}-[{HEX}]{{100,}}"),
    rule("flyio-token", ALONE + rf"fm[12][ar]?_[{BASE64}=_-]{{40,}}", "fm1",
         "fm2", hint="fm[12][ar]?_[A-Za-z0-9+/]{8}"),
    prefixed("render-key", "rnd_", f"[{ALNUM}]{{28,}}"),
    prefixed("netlify-token", "nfp_", f"[{ALNUM}]{{36,}}"),
    prefixed("supabase-key", "sbp_ sb_secret_", f"[{ALNUM}_-]{{30,}}"),
    prefixed("planetscale-token", "pscale_pw_ pscale_tkn_ pscale_oauth_", rf"[{ALNUM}_.=-]{{32,}}"),
    prefixed("neon-key", "napi_", f"[{ALNUM}]{{40,}}"),
    prefixed("databricks-token", "dapi", rf"[{HEX}]{{32}}(?:-\d)?(?![{ALNUM}])"),
    prefixed("vault-token", "hvs. hvb. hvr.", f"[{URL64}]{{24,}}"),
    rule("terraform-token", ALONE + rf"[{ALNUM}]{{14}}\.atlasv1\.[{URL64}]{{60,}}", ".atlasv1."),
    prefixed("pulumi-token", "pul-", f"[{HEX}]{{40}}(?![{ALNUM}])"),
    prefixed("doppler-token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", rf"[{ALNUM}._-]{{40,}}"),
    prefixed("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", f"[{ALNUM}]{{30,}}"),
    prefixed("github-token", "github_pat_", f"[{ALNUM}_]{{22,}}"),
    prefixed("gitlab-token", "glpat- gldt- glrt- glcbt- glptt- glft- glimt- glagent- gloas- glsoat- glffct- GR1348941",
             rf"[{URL64}]{{20,}}(?:\.[0-9a-z.]{{2,16}})?"),
    prefixed("bitbucket-token", "ATBB ATCTT3xFfG", f"[{ALNUM}_=-]{{28,}}"),
    prefixed("atlassian-token", "ATATT3xFfG ATSTT3xFfG", f"[{ALNUM}_=-]{{40,}}"),
    prefixed("npm-token", "npm_", f"[{ALNUM}]{{36}}(?![{ALNUM}])"),
    prefixed("pypi-token", "pypi-AgE", f"[{URL64}]{{50,}}"),
    prefixed("rubygems-key", "rubygems_", f"[{HEX}]{{48}}"),
    prefixed("docker-token", "dckr_pat_ dckr_oat_", f"[{URL64}]{{20,}}"),
    prefixed("nuget-key", "oy2", f"[a-z0-9]{{43}}(?![{ALNUM}])"),
    prefixed("crates-token", "cio", f"[{ALNUM}]{{32}}(?![{ALNUM}])"),
    prefixed("age-key", "AGE-SECRET-KEY-1", r"[A-Z0-9]{58}"),
    prefixed("onepassword-token", "ops_eyJ", f"[={URL64}]{{100,}}"),
    prefixed("launchdarkly-key", "sdk- api-", UUID),
)  # fmt: skip
