import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0002_starting_topics'),
    ]

    operations = [
        migrations.CreateModel(
            name='Slot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('frequency', models.CharField(max_length=8)),
                ('hour', models.PositiveSmallIntegerField()),
                ('timezone', models.CharField(max_length=64)),
                ('next_digest_at', models.DateTimeField(db_index=True)),
                ('begun_with', models.BigIntegerField(blank=True, null=True)),
            ],
        ),
        migrations.AddConstraint(
            model_name='slot',
            constraint=models.UniqueConstraint(fields=('frequency', 'hour', 'timezone'), name='slot_unique'),
        ),
        migrations.AddField(
            model_name='subscriber',
            name='slot',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='subscribers', to='subscriptions.slot'),
        ),
    ]
