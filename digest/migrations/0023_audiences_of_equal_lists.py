"""Readers with equal digests are one audience, whatever they follow; the selections that were
picked for are kept beside them."""

from itertools import islice

import django.db.models.deletion
from django.db import migrations, models

CHUNK = 1000
OWN = "reader "
"""How the keys of audiences of one reader began."""
WRITTEN = ("keywords", "authors", "organizations")


def fill(apps, schema_editor):
    Audience = apps.get_model("digest", "Audience")
    AudienceSelection = apps.get_model("digest", "AudienceSelection")
    rows = Audience.objects.order_by("pk").iterator(CHUNK)
    while chunk := list(islice(rows, CHUNK)):
        for row in chunk:
            selection = row.selection
            reasons = [card[1] for card in row.cards]
            written = {word for kind in WRITTEN for word in selection.get(kind) or ()}
            row.contents_key = f"selection {row.pk}"
            row.language = selection.get("language") or "en"
            row.format = selection.get("format") or "html"
            row.topic_count = len(selection.get("topics") or ())
            row.words = sorted(
                word for word in written if any(word in reason for reason in reasons)
            )
        Audience.objects.bulk_update(
            chunk, ["contents_key", "language", "format", "topic_count", "words"]
        )
        AudienceSelection.objects.bulk_create(
            AudienceSelection(
                edition_id=row.edition_id,
                selection_key=row.selection_key,
                since=row.since,
                audience=row,
            )
            for row in chunk
            if not row.selection_key.startswith(OWN)
        )


class Migration(migrations.Migration):
    dependencies = [("digest", "0022_saved_papers")]

    operations = [
        migrations.CreateModel(
            name="AudienceSelection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("selection_key", models.CharField(max_length=32)),
                ("since", models.DateField(blank=True, null=True)),
                (
                    "audience",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="selections",
                        to="digest.audience",
                    ),
                ),
                (
                    "edition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="digest.edition",
                    ),
                ),
            ],
        ),
        migrations.AddField("audience", "contents_key", models.CharField(default="", max_length=32)),
        migrations.AddField("audience", "language", models.CharField(default="en", max_length=10)),
        migrations.AddField("audience", "format", models.CharField(default="html", max_length=4)),
        migrations.AddField("audience", "topic_count", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("audience", "words", models.JSONField(default=list)),
        migrations.RunPython(fill, elidable=True),
    ]
