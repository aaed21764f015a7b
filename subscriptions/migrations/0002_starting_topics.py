"""Fills an empty catalogue with the topics that the project ships."""

import json
from pathlib import Path

from django.db import migrations

CATALOGUE = Path(__file__).resolve().parent.parent / "data" / "topics.json"


def load(apps, schema_editor):
    Topic = apps.get_model("subscriptions", "Topic")
    if Topic.objects.exists():
        return
    entries = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    Topic.objects.bulk_create(
        Topic(
            slug=entry["slug"],
            name=entry["name"],
            description=entry.get("description", ""),
            phrases=entry.get("phrases", []),
            categories=entry.get("categories", []),
            position=position,
        )
        for position, entry in enumerate(entries, start=1)
    )


def unload(apps, schema_editor):
    """The table goes with the migration before this one; what readers chose is not ours to drop."""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]
    operations = [migrations.RunPython(load, unload)]
