"""When an edition's deliveries are forgotten, and keys to audiences that the database does not check."""

import django.db.models.deletion
from django.core.management import CommandError
from django.db import OperationalError, migrations, models

LOCK_SECONDS = 3
"""How long it waits for those who use the tables, while others wait behind it."""
_TABLES = "digest_audience, digest_audienceselection, digest_batch, digest_edition"


def lock(apps, schema_editor):
    """Afterwards nobody else uses the tables until the migration ends, which is at once: a key goes
    from them without a look at their rows. Raises CommandError where a table is in use for longer;
    nothing is changed then."""
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            cursor.execute(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE")
            cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except OperationalError as error:
        raise CommandError(
            f"One of {_TABLES} was in use for {LOCK_SECONDS} seconds, by a send or a backup, say. "
            "Nothing was changed; migrate again once that is over."
        ) from error


class Migration(migrations.Migration):

    dependencies = [
        ("digest", "0028_editor_choices"),
    ]

    operations = [
        migrations.RunPython(lock, migrations.RunPython.noop, elidable=True),
        migrations.AddField(
            model_name='edition',
            name='forgetting_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='edition',
            name='forgotten_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='audienceselection',
            name='audience',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='selections', to='digest.audience'),
        ),
        migrations.AlterField(
            model_name='batch',
            name='audience',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='batches', to='digest.audience'),
        ),
    ]
