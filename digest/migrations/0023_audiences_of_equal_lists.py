"""Readers with equal digests are one audience, whatever they follow; the selections that were
picked for are kept beside them."""

import django.db.models.deletion
from django.db import migrations, models


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
    ]
