"""PostgreSQL leaves room in the pages of deliveries, so that settling a row stays in its page.

Each row is written twice, when it is planned and when it is settled; no index names what the
second changes, so with room for it the indexes are not touched (a HOT update).
"""

from django.db import migrations


def _set(schema_editor, fillfactor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE digest_delivery SET (fillfactor = {fillfactor})")


def leave_room(apps, schema_editor):
    _set(schema_editor, 40)


def fill_pages(apps, schema_editor):
    _set(schema_editor, 100)



class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0006_lean_deliveries'),
    ]

    operations = [
        migrations.RunPython(leave_room, fill_pages),
    ]
