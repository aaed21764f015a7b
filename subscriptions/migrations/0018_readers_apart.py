from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0017_opened_papers")]

    operations = [
        migrations.RemoveIndex("subscriber", "subscriber_apart"),
        migrations.AddIndex(
            "subscriber",
            models.Index(
                condition=Q(
                    ("unserved_since__isnull", False),
                    ("changed_on__isnull", False),
                    ("trending", True),
                    _connector="OR",
                ),
                fields=["slot"],
                name="subscriber_apart",
            ),
        ),
    ]
