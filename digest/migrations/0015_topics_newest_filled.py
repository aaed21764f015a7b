"""The papers that are there already are in the order of their topics."""

from django.db import migrations
from django.db.models import OuterRef, Subquery


def fill(apps, schema_editor):
    papers = apps.get_model("digest", "Paper").objects.filter(pk=OuterRef("paper_id"))
    rows = apps.get_model("digest", "PaperTopic").objects.filter(published_at=None)
    rows.update(published_at=Subquery(papers.values("published_at")[:1]))


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0014_api'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
