# One image for web, worker and beat; docker-compose.yml says which process each container runs.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DEBUG=0 VAR_DIR=/var/lib/daily-papers
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY . .
# The static files need no secret, only settings that are complete.
RUN useradd --system --home-dir "$VAR_DIR" --create-home papers \
    && SECRET_KEY=build DEFAULT_FROM_EMAIL=build@localhost POSTAL_ADDRESS=build \
       VAR_DIR=/tmp/build python manage.py collectstatic --noinput -v0

USER papers
VOLUME /var/lib/daily-papers
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind=0.0.0.0:8000", "--worker-class=gthread", "--workers=2", "--threads=8"]
