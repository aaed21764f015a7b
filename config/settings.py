"""The one settings module. Environments differ only by variables; `.env.example` lists them."""

from datetime import time
from importlib import import_module
from pathlib import Path
from typing import Any

import django_stubs_ext

from digest.logs import hide

from . import desk, door, expected, logs, security, timetable
from .anymail_names import ANYMAIL_NAMES
from .environment import Environment, kept_secret

# Django's generic classes take their type in brackets, as in ModelAdmin[Paper].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

# --- Where it runs -------------------------------------------------------------------------

# Files of the embedded mode: database, broker, local outbox, secret key.
VAR_DIR = env.folder("VAR_DIR", BASE_DIR / "var")

# Unset: the broker that `make run` starts, and no service of yours is touched.
REDIS_URL = env.secret("REDIS_URL")
DATABASE_URL = env.secret("DATABASE_URL") or f"sqlite:///{VAR_DIR}/daily_papers.sqlite3"
EMBEDDED = not REDIS_URL and DATABASE_URL.startswith("sqlite")
# 1 or 0; 1 by itself only in embedded mode.
DEBUG = env.bool("DEBUG", EMBEDDED)

# Required when DEBUG=0; made once and kept under var/ otherwise.
SECRET_KEY = env.secret("SECRET_KEY") or (kept_secret(VAR_DIR / "secret_key") if DEBUG else "")
# Older keys, comma separated: links in old mail, and hashes of addresses that must not be mailed,
# were made with them, and are known no more once the key is dropped.
SECRET_KEY_FALLBACKS = env.secret_entries("SECRET_KEY_FALLBACKS")

# Where `make run` listens, on this machine only.
PORT = env.int("PORT", 8000)
# The absolute address that links in mail start with.
SITE_URL = env.str("SITE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
# Comma separated; the names of this machine are always allowed, for health checks.
ALLOWED_HOSTS = [
    *env.entries("ALLOWED_HOSTS", [env.host(SITE_URL)]),
    *("127.0.0.1", "localhost", "[::1]"),
]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
# How many proxies before us add to X-Forwarded-For; 0: nobody is believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0)

# --- Django --------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.sitemaps",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "anymail",
    *door.APPS,
    "subscriptions",
    "digest",
]

MIDDLEWARE = [
    # Counts and times what all others answer.
    "digest.measuring.middleware",
    "config.logs.with_request_id",
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "config.security.middleware",
    # Webhooks need none of what follows.
    "digest.receivers.short_way",
    "config.bodies.middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "digest.site.caching.middleware",
    "django.middleware.gzip.GZipMiddleware",
    # Whatever goes wrong behind it under /api/ comes out as problem details.
    "digest.site.api.edge.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "digest.admin.refused.OddQuestions",
    "subscriptions.door.gate.middleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "subscriptions.forms.sign_up",
            ],
            "libraries": {"desk": "config.naming"},
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Some of those that `locale/` has: pages speak what a browser asks for, mails what a reader chose.
LANGUAGES = env.languages("LANGUAGES", {"en": "English", "de": "Deutsch"})
LANGUAGE_CODE = LANGUAGES[0][0]
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
if DEBUG:  # collectstatic makes it in production
    STATIC_ROOT.mkdir(exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# --- Database, cache, broker ---------------------------------------------------------------

# 1 where DATABASE_URL leads to PgBouncer in transaction mode.
DATABASE_POOLED = env.bool("DATABASE_POOLED", False)
DATABASES: dict[str, Any] = {"default": env.database(DATABASE_URL, is_pooled=DATABASE_POOLED)}
if DATABASES["default"].get("ENGINE") == "django.db.backends.sqlite3":
    # WAL lets pages be read while a worker writes. IMMEDIATE takes the write lock when a
    # transaction begins, so that it waits its turn instead of failing half way.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000;",
    }

# Which redis-server `make run` starts where REDIS_URL is not set: a path; `auto`: the one on PATH,
# else the one that came with the requirements; `none`: messages go through files instead.
EMBEDDED_REDIS = env.str("EMBEDDED_REDIS", "auto")
EMBEDDED_REDIS_SOCKET = VAR_DIR / "redis.sock"
_redis = REDIS_URL or (f"unix://{EMBEDDED_REDIS_SOCKET}" if EMBEDDED_REDIS_SOCKET.exists() else "")
if _redis:
    _cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _redis}
    CACHES: dict[str, Any] = {
        # One that hangs is as one that is away.
        "default": _cache | {"OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1}},
        # Pages that are kept for a minute; a page is sooner made anew than waited for.
        "pages": _cache
        | {
            "KEY_PREFIX": "pages",
            "OPTIONS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        },
    }
    CELERY_BROKER_URL = _redis.replace("unix://", "redis+socket://", 1)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        # Longer than any task's limit, or Redis would hand a running task out again.
        "visibility_timeout": 1800,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
        },
        # Not in files: those are few, and counts of the limits among them.
        "pages": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "pages",
        },
    }
    CELERY_BROKER_URL = "filesystem://"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "broker"),
        "data_folder_out": str(VAR_DIR / "broker"),
        "control_folder": str(VAR_DIR / "broker-control"),
    }
    (VAR_DIR / "broker").mkdir(parents=True, exist_ok=True)

# --- Celery --------------------------------------------------------------------------------

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
# A message only wakes a worker; where the broker is away the next sweep finds the work.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "digest"
CELERY_TASK_ROUTES = timetable.ROUTES
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = timetable.SCHEDULE

# --- Sources -------------------------------------------------------------------------------

HUGGING_FACE_URL = env.str("HUGGING_FACE_URL", "https://huggingface.co").rstrip("/")
ARXIV_API_URL = env.str("ARXIV_API_URL", "https://export.arxiv.org").rstrip("/")
ARXIV_RSS_URL = env.str("ARXIV_RSS_URL", "https://rss.arxiv.org").rstrip("/")
# Which sources are fetched, and which arXiv listings.
PAPER_SOURCES = env.entries("PAPER_SOURCES", ["hugging_face", "arxiv"])
ARXIV_CATEGORIES = env.entries("ARXIV_CATEGORIES", ["cs.AI", "cs.CL", "cs.CV", "cs.LG"])
# UTC time, on the day after, at which an edition closes by itself.
EDITION_CUTOFF = env.time("EDITION_CUTOFF", time(5, 0))
# A file that `train_topics` wrote; unset: the model that ships with this version.
TOPIC_MODEL = env.str("TOPIC_MODEL", "")
# Dotted path of `embed(texts)`, which answers a row of numbers for each; empty: our own vectors.
EMBEDDINGS = env.str("EMBEDDINGS", "")

# --- Mail ----------------------------------------------------------------------------------

# Ordered; the first healthy one is used.
EMAIL_PROVIDERS = env.entries("EMAIL_PROVIDERS", ["outbox"])
DEFAULT_FROM_EMAIL = (
    env.str("DEFAULT_FROM_EMAIL", "") or "Daily Papers <digest@localhost.localdomain>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# A mailbox that somebody reads, where it is not the sender's.
REPLY_TO = env.str("REPLY_TO", "")
# The sender's postal address, in the footer of every mail; nothing is sent without it.
POSTAL_ADDRESS = env.str("POSTAL_ADDRESS", "") or (
    "Set POSTAL_ADDRESS to your postal address" if DEBUG else ""
)
# Your privacy notice: a link to it stands at every page's end and beside every sign-up form.
PRIVACY_URL = env.str("PRIVACY_URL", "")
# 1: providers count which links are followed, of readers whose form said so and who don't say no.
TRACK_CLICKS = env.bool("TRACK_CLICKS", False)
# Name and id of the list (RFC 2919); the same for ever.
LIST_ID = env.str("LIST_ID", "")
# A mailbox for unsubscribe mails (`<token>` after a plus sign); unset: the https link alone.
UNSUBSCRIBE_EMAIL = env.str("UNSUBSCRIBE_EMAIL", "")
# Seconds after which a claimed batch that was never settled counts as uncertain.
UNCERTAIN_AFTER = env.int("UNCERTAIN_AFTER", 900)
# Seconds after which a digest is too late to go by itself, and goes together with the next one.
MERGE_AFTER = env.seconds("MERGE_AFTER", 43_200, least=3600)
# Messages a second for a provider, across all workers, 0: unlimited; and for single providers.
SEND_RATE = env.rate("SEND_RATE")
SEND_RATES = env.rates("SEND_RATES")
# A new domain or address starts slowly. For each provider the first day, how many messages it gets
# on it, and by what each day's number grows: `mailgun:2026-11-01:500:1.5`. Unset: any number.
WARM_UP = env.warm_ups("WARM_UP")
# Seconds after which digests that wait are late, and the operator is told.
LATE_AFTER = env.seconds("LATE_AFTER", 7200, least=1)
# Who is mailed when a send is held, late or in doubt; unset: it is in the log only.
OPERATOR_EMAIL = env.str("OPERATOR_EMAIL", "")
# `smtp://user:password@host:587?tls=1`
SMTP_URL = env.secret("SMTP_URL")
# Anymail's shared secrets for /webhooks/, comma separated while one is being replaced.
WEBHOOK_SECRET = env.secret_entries("WEBHOOK_SECRET")
EMAIL_TIMEOUT = 30

ANYMAIL: dict[str, Any] = {name: value for name in ANYMAIL_NAMES if (value := env.secret(name))}
ANYMAIL |= {
    "WEBHOOK_SECRET": WEBHOOK_SECRET,
    "REQUESTS_TIMEOUT": EMAIL_TIMEOUT,
    "IGNORE_RECIPIENT_STATUS": True,
}

# Postmark's stream for digests; unset: its stream for transactional mail.
POSTMARK_MESSAGE_STREAM = env.str("POSTMARK_MESSAGE_STREAM", "")

# Confirm, preferences and other single messages; the way out is the first provider.
EMAIL_BACKEND = "digest.delivery.esp.transactional.EmailBackend"

# --- Sign-up -------------------------------------------------------------------------------

# Confirmation mails per target address (and never two within 15 minutes), and per client.
SIGNUP_RATE_ADDRESS = env.str("SIGNUP_RATE_ADDRESS", "3/d")
SIGNUP_RATE_CLIENT = env.str("SIGNUP_RATE_CLIENT", "20/h")
# Requests to the API, and as many searches on the page, per client.
API_RATE = env.str("API_RATE", "120/m")
RATELIMIT_IPV6_MASK = 64
SILENCED_SYSTEM_CHECKS = (
    # The embedded fallback without Redis counts in files, which is exact enough for one machine.
    ["django_ratelimit.E003", "django_ratelimit.W001"] if EMBEDDED else []
)

# --- Watching ------------------------------------------------------------------------------

# Who may read /metrics: `Authorization: Bearer TOKEN`; unset: programs on this machine only.
METRICS_TOKEN = env.secret("METRICS_TOKEN")
# Where a worker serves its own process's metrics: only where it shares no VAR_DIR with the site.
METRICS_PORT = env.int("METRICS_PORT", 0)
# A second way to the operator, beside EMAIL_PROVIDERS: a mail server as in SMTP_URL for
# OPERATOR_EMAIL, and a webhook that takes JSON (Slack, Mattermost, Discord).
ALARM_SMTP_URL = env.secret("ALARM_SMTP_URL")
ALARM_WEBHOOK_URL = env.secret("ALARM_WEBHOOK_URL")
# Called every so many seconds while all is well, and with /fail behind it while it is not.
HEARTBEAT_URL = env.secret("HEARTBEAT_URL").rstrip("/")
HEARTBEAT_EVERY = env.seconds("HEARTBEAT_EVERY", 300, least=1)
# Seconds after its planning by which a send has to be over, whatever stops it.
SEND_BY = env.seconds("SEND_BY", 14_400, least=1)

# --- Retention: for how many days it is kept ------------------------------------------------

# Who never confirmed; until then a press on their link, dead after 3 days, sends a new one.
KEEP_UNCONFIRMED_DAYS = env.days("KEEP_UNCONFIRMED_DAYS", 14, least=3)
# Rows of single messages: limits count them, and a link that was sent late must not outlive its row.
KEEP_MESSAGES_DAYS = env.days("KEEP_MESSAGES_DAYS", 30, least=7)
# Who unsubscribed, with what they agreed to: as long as somebody may ask for it; 0: for good.
KEEP_LEFT_DAYS = env.days("KEEP_LEFT_DAYS", 1095, least=0)
# Who was sent which digest, from its edition's day on. Longer than anything looks back: a month's
# digest after a month's pause, and how long a mailbox may fail.
KEEP_DELIVERIES_DAYS = env.days("KEEP_DELIVERIES_DAYS", 90, least=62)
# What operators changed in the admin.
KEEP_LOG_DAYS = env.days("KEEP_LOG_DAYS", 730, least=30)
# What the providers reported; one that reports again must find it.
KEEP_EVENTS_DAYS = env.days("KEEP_EVENTS_DAYS", 180, least=30)

# --- The operator's side ---------------------------------------------------------------------

# Who signs in without having asked for a page.
LOGIN_REDIRECT_URL = "admin:index"

# Whether operators must give a second factor beside their password (`required`), or may (`optional`).
SECOND_FACTOR = env.str("SECOND_FACTOR", "optional" if DEBUG else "required")
OTP_TOTP_ISSUER = f"Daily Papers ({env.host(SITE_URL)})"
AUTHENTICATION_BACKENDS = door.BACKENDS
globals().update(door.AXES)
UNFOLD = desk.THEME
CSRF_FAILURE_VIEW = "digest.admin.refused.old_form"

# --- Security ------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = security.CONTENT_POLICY
PERMISSIONS_POLICY = security.NOT_NEEDED
_https = SITE_URL.startswith("https://")
globals().update(door.cookies(is_https=_https))
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", _https and not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000 if _https else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Logs ----------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", "INFO")
# `console`: a line for people; `json`: an object a line.
LOG_FORMAT = env.str("LOG_FORMAT", "console")
LOGGING = logs.configuration(LOG_LEVEL, LOG_FORMAT)
# Errors go there, without any address or token; unset: nothing of Sentry is loaded.
SENTRY_DSN = env.secret("SENTRY_DSN")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", "development" if DEBUG else "production")

# --- What is wrong is said at once, all of it ------------------------------------------------

expected.check(env, globals())
env.finish(
    missing=[
        name
        for name, value in {
            "SECRET_KEY": SECRET_KEY,
            "DEFAULT_FROM_EMAIL": env.str("DEFAULT_FROM_EMAIL", ""),
            "POSTAL_ADDRESS": POSTAL_ADDRESS,
        }.items()
        if not DEBUG and not value
    ]
)
hide([SECRET_KEY, *env.hidden()])
if SENTRY_DSN:
    import_module("config.sentry").start(SENTRY_DSN, environment=SENTRY_ENVIRONMENT)
