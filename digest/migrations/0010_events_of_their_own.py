import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0009_late_papers'),
        ('subscriptions', '0006_soft_bounces'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='event',
            name='subscriber',
        ),
        migrations.AddField(
            model_name='batch',
            name='only_provider',
            field=models.CharField(blank=True, db_default='', default='', max_length=20),
        ),
        migrations.AddField(
            model_name='event',
            name='message',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='subscriptions.transactionalmessage'),
        ),
        migrations.AlterField(
            model_name='event',
            name='batch_id',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='event',
            name='delivery',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='digest.delivery'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('applied_at__isnull', True)), fields=['id'], name='event_unapplied'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('message__isnull', False)), fields=['message'], name='event_message'),
        ),
    ]
