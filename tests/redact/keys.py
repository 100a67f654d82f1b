"""Makes secrets as their makers describe them, without a look at how we search for them."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM = LOWER + UPPER + DIGITS


class Maker:
    """Draws made-up secrets; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.drawn = random.Random(seed)

    def of(self, alphabet: str, length: int) -> str:
        """So many characters."""
        return "".join(self.drawn.choices(alphabet, k=length))

    def word(self, length: int) -> str:
        """Letters and digits, with at least one of each as what is drawn at random practically always has."""
        return self.of(ALNUM, length - 2) + self.of(DIGITS, 1) + self.of(LOWER, 1)

    def hexa(self, length: int) -> str:
        """Lower-case hexadecimal."""
        return self.of("0123456789abcdef", length)

    def url64(self, length: int) -> str:
        """The alphabet of base64 for URLs; the ends are letters, as a hyphen there is nobody's to copy."""
        return self.word(2) + self.of(ALNUM + "-_", length - 4) + self.word(2)

    def base64(self, octets: int) -> str:
        """So many random octets in base64."""
        return base64.b64encode(self.drawn.randbytes(octets)).decode()

    def uuid(self) -> str:
        """A UUID."""
        return "-".join(map(self.hexa, (8, 4, 4, 4, 12)))

    def part(self, value: dict[str, object]) -> str:
        """A part of a JWT."""
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    def jwt(self) -> str:
        """A signed token."""
        claims = {"sub": self.word(12), "iat": self.drawn.randrange(10**9)}
        return f"{self.part({'alg': 'HS256', 'typ': 'JWT'})}.{self.part(claims)}.{self.url64(43)}"

    def pem(self, kind: str) -> str:
        """A private key of the kind that `ssh-keygen` and `openssl` write."""
        body = self.base64(600)
        lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"

    def card(self, prefix: str, length: int) -> str:
        """A card number with the right check digit."""
        digits = prefix + self.of(DIGITS, length - len(prefix) - 1)
        total = 0
        for place, digit in enumerate(map(int, reversed(digits))):
            doubled = digit * 2 if place % 2 == 0 else digit
            total += doubled // 10 + doubled % 10
        return digits + str(-total % 10)

    def iban(self, country: str, length: int) -> str:
        """An account number with the right check digits."""
        account = self.of(DIGITS, length - 4)
        number = int("".join(str(int(character, 36)) for character in account + country + "00"))
        return f"{country}{98 - number % 97:02d}{account}"


Build = Callable[[Maker], str]

KEYS: list[tuple[str, Build]] = [
    ("openai-key", lambda m: "sk-" + m.word(20) + "T3BlbkFJ" + m.word(20)),
    ("openai-key", lambda m: "sk-proj-" + m.url64(74) + "T3BlbkFJ" + m.url64(74)),
    ("openai-key", lambda m: "sk-svcacct-" + m.url64(60)),
    ("openai-key", lambda m: "sk-admin-" + m.url64(60)),
    ("openai-key", lambda m: "sk-" + m.hexa(32)),  # DeepSeek, DashScope
    ("openai-key", lambda m: "sk-" + m.word(48)),  # Moonshot, Stability
    ("openai-session", lambda m: "sess-" + m.word(40)),
    ("anthropic-key", lambda m: "sk-ant-api03-" + m.url64(93) + "AA"),
    ("anthropic-key", lambda m: "sk-ant-admin01-" + m.url64(93) + "AA"),
    ("openrouter-key", lambda m: "sk-or-v1-" + m.hexa(64)),
    ("google-key", lambda m: "AIzaSy" + m.url64(33)),
    ("google-token", lambda m: "ya29." + m.url64(120)),
    ("google-refresh-token", lambda m: "1//0" + m.url64(60)),
    ("google-client-secret", lambda m: "GOCSPX-" + m.url64(28)),
    ("huggingface-token", lambda m: "hf_" + m.of(LOWER + UPPER, 34)),
    ("groq-key", lambda m: "gsk_" + m.word(52)),
    ("xai-key", lambda m: "xai-" + m.word(80)),
    ("perplexity-key", lambda m: "pplx-" + m.word(48)),
    ("nvidia-key", lambda m: "nvapi-" + m.url64(64)),
    ("replicate-token", lambda m: "r8_" + m.word(37)),
    ("fireworks-key", lambda m: "fw_" + m.word(24)),
    ("together-key", lambda m: "tgp_v1_" + m.url64(43)),
    ("cerebras-key", lambda m: "csk-" + m.of(LOWER + DIGITS, 48)),
    ("voyage-key", lambda m: "pa-" + m.url64(43)),
    ("elevenlabs-key", lambda m: "sk_" + m.hexa(48)),
    ("anyscale-key", lambda m: "esecret_" + m.word(40)),
    ("jina-key", lambda m: "jina_" + m.hexa(32) + m.url64(28)),
    ("tavily-key", lambda m: "tvly-" + m.word(32)),
    ("tavily-key", lambda m: "tvly-dev-" + m.word(32)),
    ("firecrawl-key", lambda m: "fc-" + m.hexa(32)),
    ("e2b-key", lambda m: "e2b_" + m.hexa(40)),
    ("llamacloud-key", lambda m: "llx-" + m.word(48)),
    ("pinecone-key", lambda m: "pcsk_" + m.word(6) + "_" + m.word(63)),
    ("langsmith-key", lambda m: "lsv2_pt_" + m.hexa(32) + "_" + m.hexa(10)),
    ("langsmith-key", lambda m: "lsv2_sk_" + m.hexa(32) + "_" + m.hexa(10)),
    ("langsmith-key", lambda m: "ls__" + m.hexa(32)),
    ("langfuse-key", lambda m: "sk-lf-" + m.uuid()),
    ("langfuse-key", lambda m: "pk-lf-" + m.uuid()),
    ("helicone-key", lambda m: "sk-helicone-" + "-".join(m.of(LOWER + DIGITS, 7) for _ in range(4))),
    ("logfire-token", lambda m: "pylf_v1_us_" + m.word(43)),
    ("posthog-key", lambda m: "phx_" + m.word(43)),
    ("rlhf-otel-token", lambda m: "rls_" + m.url64(43)),
    ("rlhf-otel-token", lambda m: "rlt_AQ" + m.url64(85)),
    ("aws-key", lambda m: "AKIA" + m.of(UPPER + "234567", 16)),
    ("aws-key", lambda m: "ASIA" + m.of(UPPER + "234567", 16)),
    ("aws-bedrock-key", lambda m: "ABSK" + base64.b64encode(f"BedrockAPIKey-{m.word(60)}".encode()).decode()),
    ("azure-storage-key", lambda m: "AccountKey=" + m.base64(64)),
    ("azure-storage-key", lambda m: "SharedAccessKey=" + m.base64(32)),
    ("azure-sas", lambda m: "?sv=2022-11-02&sp=r&sig=" + m.base64(32).replace("+", "%2B").replace("/", "%2F")),
    ("azure-client-secret", lambda m: m.word(3) + "8Q~" + m.word(31) + m.of("_~.-", 1) + m.word(2)),
    ("azure-key", lambda m: m.word(52) + "JQQJ99" + "AKACYeBjF" + m.word(17)),
    ("azure-devops-token", lambda m: m.word(76) + "AZDO" + m.word(4)),
    ("alibaba-key", lambda m: "LTAI5t" + m.word(18)),
    ("tencent-key", lambda m: "AKID" + m.word(32)),
    ("digitalocean-token", lambda m: "dop_v1_" + m.hexa(64)),
    ("heroku-key", lambda m: "HRKU-" + m.uuid()),
    ("heroku-key", lambda m: "HRKU-AA" + m.url64(58)),
    ("cloudflare-origin-key", lambda m: "v1.0-" + m.hexa(24) + "-" + m.hexa(146)),
    ("flyio-token", lambda m: "fm2_" + m.base64(300)),
    ("render-key", lambda m: "rnd_" + m.word(28)),
    ("netlify-token", lambda m: "nfp_" + m.word(36)),
    ("supabase-key", lambda m: "sbp_" + m.hexa(40)),
    ("supabase-key", lambda m: "sb_secret_" + m.url64(31)),
    ("planetscale-token", lambda m: "pscale_tkn_" + m.url64(43)),
    ("neon-key", lambda m: "napi_" + m.of(LOWER + DIGITS, 64)),
    ("databricks-token", lambda m: "dapi" + m.hexa(32)),
    ("databricks-token", lambda m: "dapi" + m.hexa(32) + "-2"),
    ("vault-token", lambda m: "hvs." + m.url64(90)),
    ("terraform-token", lambda m: m.word(14) + ".atlasv1." + m.url64(67)),
    ("pulumi-token", lambda m: "pul-" + m.hexa(40)),
    ("doppler-token", lambda m: "dp.pt." + m.word(43)),
    ("doppler-token", lambda m: "dp.st.prd." + m.word(43)),
    ("github-token", lambda m: m.drawn.choice(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]) + m.word(36)),
    ("github-token", lambda m: "github_pat_" + m.word(22) + "_" + m.word(59)),
    ("gitlab-token", lambda m: "glpat-" + m.url64(20)),
    ("gitlab-token", lambda m: "glpat-" + m.url64(27) + ".01." + m.of(LOWER + DIGITS, 9)),
    ("gitlab-token", lambda m: "GR1348941" + m.url64(20)),
    ("bitbucket-token", lambda m: "ATBB" + m.word(32)),
    ("atlassian-token", lambda m: "ATATT3xFfGF0" + m.url64(171) + "=" + m.of("0123456789ABCDEF", 8)),
    ("npm-token", lambda m: "npm_" + m.word(36)),
    ("pypi-token", lambda m: "pypi-AgEIcHlwaS5vcmc" + m.url64(120)),
    ("rubygems-key", lambda m: "rubygems_" + m.hexa(48)),
    ("docker-token", lambda m: "dckr_pat_" + m.url64(27)),
    ("nuget-key", lambda m: "oy2" + m.of(LOWER + DIGITS, 43)),
    ("crates-token", lambda m: "cio" + m.word(32)),
    ("age-key", lambda m: "AGE-SECRET-KEY-1" + m.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    ("onepassword-token", lambda m: "ops_eyJ" + m.url64(300)),
    ("launchdarkly-key", lambda m: "sdk-" + m.uuid()),
    ("slack-token", lambda m: f"xoxb-{m.of(DIGITS, 12)}-{m.of(DIGITS, 13)}-{m.word(24)}"),
    ("slack-token", lambda m: f"xoxp-{m.of(DIGITS, 12)}-{m.of(DIGITS, 12)}-{m.of(DIGITS, 13)}-{m.hexa(32)}"),
    ("slack-token", lambda m: f"xoxe.xoxp-1-{m.word(146)}"),
    ("slack-token", lambda m: f"xapp-1-A{m.of(UPPER + DIGITS, 10)}-{m.of(DIGITS, 13)}-{m.hexa(64)}"),
    ("slack-webhook", lambda m: f"hooks.slack.com/services/T{m.of(UPPER, 8)}/B{m.of(UPPER, 8)}/{m.word(24)}"),
    ("discord-token", lambda m: "M" + m.word(25) + ".G" + m.word(5) + "." + m.url64(38)),
    ("discord-webhook", lambda m: f"discord.com/api/webhooks/{m.of(DIGITS, 18)}/{m.url64(68)}"),
    ("teams-webhook", lambda m: f"webhook.office.com/webhookb2/{m.uuid()}@{m.uuid()}/IncomingWebhook/{m.hexa(32)}"),
    ("telegram-token", lambda m: "7" + m.of(DIGITS, 9) + ":AA" + m.url64(33)),
    ("stripe-key", lambda m: m.drawn.choice(["sk_live_", "rk_live_", "sk_test_"]) + m.word(24)),
    ("stripe-key", lambda m: "sk_live_51" + m.word(97)),
    ("webhook-secret", lambda m: "whsec_" + m.base64(24)),
    ("square-token", lambda m: "sq0atp-" + m.url64(22)),
    ("square-token", lambda m: "EAAAE" + m.url64(59)),
    ("shopify-token", lambda m: "shpat_" + m.hexa(32)),
    ("braintree-token", lambda m: "access_token$production$" + m.of(LOWER + DIGITS, 16) + "$" + m.hexa(32)),
    ("razorpay-key", lambda m: "rzp_live_" + m.word(14)),
    ("plaid-token", lambda m: "access-production-" + m.uuid()),
    ("flutterwave-key", lambda m: "FLWSECK-" + m.hexa(32) + "-X"),
    ("twilio-key", lambda m: "SK" + m.hexa(32)),
    ("sendgrid-key", lambda m: "SG." + m.url64(22) + "." + m.url64(43)),
    ("mailgun-key", lambda m: "key-" + m.hexa(32)),
    ("mailgun-key", lambda m: m.hexa(32) + "-" + m.hexa(8) + "-" + m.hexa(8)),
    ("mailchimp-key", lambda m: m.hexa(32) + "-us14"),
    ("brevo-key", lambda m: "xkeysib-" + m.hexa(64) + "-" + m.word(16)),
    ("resend-key", lambda m: "re_" + m.word(8) + "_" + m.word(24)),
    ("sentry-token", lambda m: "sntrys_" + m.base64(90)),
    ("sentry-token", lambda m: "sntryu_" + m.hexa(64)),
    ("grafana-token", lambda m: "glsa_" + m.word(32) + "_" + m.hexa(8)),
    ("grafana-token", lambda m: "glc_" + m.base64(90)),
    ("newrelic-key", lambda m: "NRAK-" + m.of(UPPER + DIGITS, 27)),
    ("honeycomb-key", lambda m: "hcaik_01" + m.of(LOWER + DIGITS, 24) + m.word(32)),
    ("dynatrace-token", lambda m: "dt0c01." + m.of(UPPER + DIGITS, 24) + "." + m.of(UPPER + DIGITS, 64)),
    ("notion-token", lambda m: "ntn_" + m.word(46)),
    ("notion-token", lambda m: "secret_" + m.word(43)),
    ("airtable-token", lambda m: "pat" + m.word(14) + "." + m.hexa(64)),
    ("linear-key", lambda m: "lin_api_" + m.word(40)),
    ("figma-token", lambda m: "figd_" + m.url64(40)),
    ("contentful-token", lambda m: "CFPAT-" + m.url64(43)),
    ("dropbox-token", lambda m: "sl." + m.url64(140)),
    ("hubspot-token", lambda m: "pat-na1-" + m.uuid()),
    ("postman-key", lambda m: "PMAK-" + m.hexa(24) + "-" + m.hexa(34)),
    ("facebook-token", lambda m: "EAACEdEose0cBA" + m.word(120)),
    ("mapbox-token", lambda m: "sk." + m.part({"u": m.word(10), "a": m.word(20)}) + "." + m.url64(22)),
    ("typeform-token", lambda m: "tfp_" + m.url64(44) + "_" + m.url64(14)),
    ("easypost-key", lambda m: "EZAK" + m.word(54)),
    ("sonar-token", lambda m: "squ_" + m.hexa(40)),
    ("shippo-token", lambda m: "shippo_live_" + m.hexa(40)),
    ("duffel-token", lambda m: "duffel_live_" + m.url64(43)),
    ("jwt", Maker.jwt),
    ("private-key", lambda m: m.pem("PRIVATE KEY")),
    ("private-key", lambda m: m.pem("OPENSSH PRIVATE KEY")),
    ("private-key", lambda m: m.pem("EC PRIVATE KEY")),
    ("private-key", lambda m: m.pem("PGP PRIVATE KEY BLOCK")),
    ("email", lambda m: m.of(LOWER, 6) + "." + m.of(LOWER, 8) + "@" + m.of(LOWER, 7) + ".co.uk"),
    ("email", lambda m: m.of(LOWER, 6) + "%40" + m.of(LOWER, 7) + ".com"),
    ("email", lambda m: m.of(LOWER, 5) + "+" + m.of(DIGITS, 3) + "@mail." + m.of(LOWER, 7) + ".org"),
    ("iban", lambda m: m.iban("DE", 22)),
    ("iban", lambda m: m.iban("FR", 27)),
    ("iban", lambda m: " ".join(_fours(m.iban("ES", 24)))),
    ("iban", lambda m: m.iban("NO", 15)),
    ("card", lambda m: m.card("4", 16)),
    ("card", lambda m: " ".join(_fours(m.card("53", 16)))),
    ("card", lambda m: "-".join(_fours(m.card("6011", 16)))),
    ("card", lambda m: m.card("2221", 16)),
    ("card", lambda m: m.card("37", 15)),
    ("card", lambda m: m.card("3530", 16)),
    ("phone", lambda m: f"+49 170 {m.of('23456789', 4)}{m.of(DIGITS, 3)}"),
    ("phone", lambda m: f"+1 (415) 555-{m.of(DIGITS, 4)}"),
    ("phone", lambda m: f"+44 (0)20 7946 {m.of(DIGITS, 4)}"),
    ("phone", lambda m: f"+33612{m.of(DIGITS, 6)}"),
    ("phone", lambda m: f"+91-98765-4{m.of(DIGITS, 4)}"),
    ("phone", lambda m: f"(212) 555-{m.of(DIGITS, 4)}"),
    ("phone", lambda m: f"212-555-{m.of(DIGITS, 4)}"),
    ("phone", lambda m: f"06 12 34 56 {m.of(DIGITS, 2)}"),
    ("phone", lambda m: f"0808 800 {m.of(DIGITS, 4)}"),
    ("ip", lambda m: f"93.184.{m.drawn.randrange(256)}.{m.drawn.randrange(256)}"),
    ("ip", lambda m: f"2a00:1450:4001:{m.hexa(3)}::200e"),
    ("ip", lambda m: "2001:4860:" + ":".join(f"{m.drawn.randrange(1, 65535):x}" for _ in range(6))),
]  # fmt: skip
"""A rule, and what it has to find: the whole of it, or what stands behind the address or the name in it."""

NAMED: list[tuple[str, str, Build]] = [
    ("secret", "MISTRAL_API_KEY={}", lambda m: m.word(32)),
    ("secret", "export CO_API_KEY='{}'", lambda m: m.word(40)),
    ("secret", 'aws_secret_access_key = "{}"', lambda m: m.base64(30)),
    ("secret", "AWS_SESSION_TOKEN={}", lambda m: "IQoJb3JpZ2luX2VjE" + m.base64(300)),
    ("secret", "AZURE_OPENAI_API_KEY: {}", lambda m: m.hexa(32)),
    ("secret", "x-api-key: {}", lambda m: m.word(40)),
    ("secret", 'headers = {{"api-key": "{}"}}', lambda m: m.hexa(32)),
    ("secret", "DD_API_KEY={}", lambda m: m.hexa(32)),
    ("secret", "DD_APPLICATION_KEY={}", lambda m: m.hexa(40)),
    ("secret", "WANDB_API_KEY={}", lambda m: m.hexa(40)),
    ("secret", "TWILIO_AUTH_TOKEN={}", lambda m: m.hexa(32)),
    ("secret", "CLOUDFLARE_API_TOKEN={}", lambda m: m.url64(40)),
    ("secret", "client_secret={}&grant_type=x", lambda m: m.word(32)),
    ("secret", '\\"access_token\\": \\"{}\\"', lambda m: m.word(40)),
    ("secret", "SAMBANOVA_API_KEY={}", Maker.uuid),
    ("secret", "WATSONX_APIKEY={}", lambda m: m.url64(44)),
    ("secret", "config['secret_key'] = '{}'", lambda m: m.word(50)),
    ("secret", "token: {}", lambda m: m.hexa(40)),
    ("bearer-token", "Authorization: Bearer {}", lambda m: m.url64(40)),
    ("bearer-token", "it sent bearer {} to us", lambda m: m.word(40)),
    ("basic-auth", "Authorization: Basic {}", lambda m: base64.b64encode(f"u:{m.word(12)}".encode()).decode()),
    ("url-password", "postgresql://app:{}@db.internal:5432/app", lambda m: m.word(14)),
    ("url-password", "mongodb+srv://root:{}@cluster0.mongodb.net/x", lambda m: m.word(16)),
    ("url-password", "redis://:{}@cache:6379/0", lambda m: m.word(20)),
    ("url-password", "amqp://guest:{}@rabbit//", lambda m: m.word(9)),
    ("url-password", "mysql+pymysql://u:{}@10.0.0.5/shop", lambda m: m.word(12) + "!"),
    ("url-password", "git clone https://me:{}@git.example.org/r.git", lambda m: m.word(20)),
    ("sentry-dsn", "https://{}@o450.ingest.sentry.io/4505", lambda m: m.hexa(32)),
    ("password", "password: {}", lambda m: m.word(8) + "!"),
    ("password", "my password is {}.", lambda m: m.word(10)),
    ("password", "DB_PASSWORD={}", lambda m: m.word(12)),
    ("password", 'password = "{}"', lambda m: m.of(LOWER, 9)),
    ("password", '"passwd": "{}"', lambda m: m.of(LOWER + DIGITS, 7)),
    ("password", "Server=db;User Id=sa;Pwd={};Encrypt=yes", lambda m: m.word(12)),
    ("password", '{{"smtp_password": "{}"}}', lambda m: m.word(9)),
    ("password", "mysqldump --password {} shop", lambda m: m.word(10)),
    ("password", "curl --proxy-passwd '{}' x", lambda m: m.word(11)),
    ("password", "<server><password>{}</password></server>", lambda m: m.word(9)),
    ("secret", '{{"openai_api_key": "{}"}}', lambda m: m.word(10)),
    ("secret", "{{'stripeWebhookSecret': '{}'}}", lambda m: m.word(10)),
    ("phone", "Tel.: {}", lambda m: f"030 {m.of('123456789', 8)}"),
    ("phone", "call me at {} tonight", lambda m: f"1800 {m.of('23456789', 3)} {m.of(DIGITS, 3)}"),
]  # fmt: skip
"""A rule, what stands around a secret that nothing but its name tells, and the secret."""


def _fours(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]
