"""What an audience follows is not kept with it any more."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("digest", "0024_fill_audiences")]

    operations = [
        migrations.RemoveConstraint("audience", "audience_unique"),
        migrations.RemoveConstraint("audience", "audience_unique_since"),
        migrations.RemoveField("audience", "selection_key"),
        migrations.RemoveField("audience", "selection"),
        migrations.AlterField("audience", "contents_key", models.CharField(max_length=32)),
        migrations.AddConstraint(
            "audience",
            models.UniqueConstraint(fields=["edition", "contents_key"], name="audience_unique"),
        ),
        migrations.AddConstraint(
            "audienceselection",
            models.UniqueConstraint(
                condition=Q(("since", None)),
                fields=["edition", "selection_key"],
                name="audience_selection_unique",
            ),
        ),
        migrations.AddConstraint(
            "audienceselection",
            models.UniqueConstraint(
                fields=["edition", "selection_key", "since"],
                name="audience_selection_unique_since",
            ),
        ),
    ]
