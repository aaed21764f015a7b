"""Puts the topics that the project ships under their headings; what an operator set stays."""

import json
from pathlib import Path

from django.db import migrations

CATALOGUE = Path(__file__).resolve().parent.parent / "data" / "topics.json"


def group(apps, schema_editor):
    Topic = apps.get_model("subscriptions", "Topic")
    for entry in json.loads(CATALOGUE.read_text(encoding="utf-8")):
        Topic.objects.filter(slug=entry["slug"], group="").update(group=entry.get("group", ""))


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0008_topic_groups")]
    operations = [migrations.RunPython(group, migrations.RunPython.noop)]
