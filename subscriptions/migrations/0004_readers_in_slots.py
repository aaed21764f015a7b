"""Every active reader gets the slot of their rhythm; it is due when the first of them was."""

from django.db import migrations, models
from django.db.models import Min


def fill(apps, schema_editor):
    Slot = apps.get_model("subscriptions", "Slot")
    Subscriber = apps.get_model("subscriptions", "Subscriber")
    active = Subscriber.objects.filter(state="active")
    rhythms = active.values("frequency", "hour", "timezone").order_by()
    for rhythm in rhythms.annotate(next_digest_at=Min("next_digest_at")):
        slot = Slot.objects.create(**rhythm)
        rhythm.pop("next_digest_at")
        active.filter(**rhythm).update(slot=slot)



class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0003_slots'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
