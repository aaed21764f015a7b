# syntax=docker/dockerfile:1
# One image for all processes; docker-compose.yml says which one each container runs. Every library
# has a wheel, so nothing is compiled and no compiler is needed.

FROM python:3.11-slim-bookworm AS wheels
WORKDIR /wheels
COPY requirements.txt .
RUN pip wheel --no-cache-dir --no-deps --only-binary=:all: --wheel-dir=. -r requirements.txt

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Daily Papers" \
      org.opencontainers.image.description="Trending research papers in your readers' inboxes, self-hosted." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# The number is fixed, so that volumes and tmpfs mounts can be given to it.
RUN groupadd --gid=10001 papers \
    && useradd --uid=10001 --gid=papers --home-dir=/var/lib/daily-papers --create-home papers

# The wheels are mounted, not copied: no layer keeps them.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl

WORKDIR /app
COPY . .
ENV DEBUG=0 VAR_DIR=/var/lib/daily-papers PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Static files need no secret, only settings that are complete.
RUN SECRET_KEY=build DEFAULT_FROM_EMAIL=build@localhost POSTAL_ADDRESS=build VAR_DIR=/tmp/build \
    python manage.py collectstatic --noinput --verbosity=0 \
    && python -m compileall -q . \
    && rm -r /tmp/build

# Nothing under /app is its own: it writes to VAR_DIR, /tmp and /dev/shm, and nowhere else.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "config.wsgi", "--bind=0.0.0.0:8000", "--worker-class=gthread", "--workers=2", "--threads=8", "--worker-tmp-dir=/dev/shm", "--no-control-socket"]
