"""When an edition's deliveries are forgotten, and keys to audiences that the database does not check."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("digest", "0028_editor_choices"),
    ]

    operations = [
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
