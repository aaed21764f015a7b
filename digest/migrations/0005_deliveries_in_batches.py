"""Deliveries of before come into batches, one for each audience and what became of them."""

from django.db import migrations


STATES = {"pending": "open", "claimed": "uncertain", "uncertain": "uncertain", "sent": "done"}


def fill(apps, schema_editor):
    Audience = apps.get_model("digest", "Audience")
    Batch = apps.get_model("digest", "Batch")
    Delivery = apps.get_model("digest", "Delivery")
    Edition = apps.get_model("digest", "Edition")
    for edition in Edition.objects.all():
        for audience in Audience.objects.filter(edition=edition).iterator():
            audience.paper_count = len(audience.cards)
            audience.save(update_fields=["paper_count"])
            for state, batch_state in STATES.items():
                rows = Delivery.objects.filter(audience=audience, state=state)
                if size := rows.count():
                    batch = Batch.objects.create(
                        id=(edition.pk << 32) + edition.batch_count,
                        edition=edition,
                        audience=audience,
                        state=batch_state,
                        size=size,
                    )
                    edition.batch_count += 1
                    rows.update(batch=batch)
        # Editions of before the count was kept have none.
        edition.due_count = Delivery.objects.filter(edition=edition).count()
        edition.save(update_fields=["batch_count", "due_count"])
    Delivery.objects.filter(state="claimed").update(state="uncertain")



class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0004_batches'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
