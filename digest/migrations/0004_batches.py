import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0003_edition_due_count'),
        ('subscriptions', '0003_slots'),
    ]

    operations = [
        migrations.CreateModel(
            name='Batch',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('open', 'Open'), ('claimed', 'Claimed'), ('uncertain', 'Uncertain'), ('done', 'Done')], default='open', max_length=10)),
                ('size', models.PositiveIntegerField()),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('provider', models.CharField(blank=True, max_length=20)),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
                ('offered_at', models.DateTimeField(blank=True, null=True)),
                ('retry_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'batches',
            },
        ),
        migrations.AddField(
            model_name='audience',
            name='paper_count',
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='edition',
            name='batch_count',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='edition',
            name='held_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='edition',
            name='held_because',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='batch',
            name='audience',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='batches', to='digest.audience'),
        ),
        migrations.AddField(
            model_name='batch',
            name='edition',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='batches', to='digest.edition'),
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='delivery_offered_in_a_batch',
        ),
        migrations.RemoveField(
            model_name='delivery',
            name='batch_id',
        ),
        migrations.RemoveField(
            model_name='event',
            name='batch_id',
        ),
        migrations.AddField(
            model_name='event',
            name='batch_id',
            field=models.BigIntegerField(blank=True, db_index=True, null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='batch',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='digest.batch'),
        ),
    ]
