"""The desk finds readers by the beginning of their address: PostgreSQL's unique index serves that only
where the database sorts by bytes (the C collation), SQLite's always does. And the few readers who are
not active are listed without a walk over all who are.
"""

from django.db import migrations, models


def _make(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE INDEX subscriber_email_beginning "
            "ON subscriptions_subscriber (LOWER(email) COLLATE \"C\")"
        )


def _drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX subscriber_email_beginning")


class Migration(migrations.Migration):

    dependencies = [
        ("subscriptions", "0020_consent_by_time"),
    ]

    operations = [
        migrations.RunPython(_make, _drop),
        migrations.AddIndex(
            model_name='subscriber',
            index=models.Index(fields=['state', 'id'], name='subscriber_not_active', condition=~models.Q(state='active')),
        ),
    ]
