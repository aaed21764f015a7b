from django.db import migrations, models
from django.db.models.functions import TruncMonth


def forget_the_day(apps, schema_editor):
    reasons = apps.get_model("subscriptions", "LeaveReason").objects
    reasons.using(schema_editor.connection.alias).update(said_on=TruncMonth("said_on"))


class Migration(migrations.Migration):

    dependencies = [
        ("subscriptions", "0025_mailboxes_are_counted"),
    ]

    operations = [
        migrations.AlterField("leavereason", "said_on", models.DateField()),
        migrations.RunPython(forget_the_day, migrations.RunPython.noop),
    ]
