import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0005_deliveries_in_batches'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='delivery',
            name='delivery_unique',
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('subscriber', 'edition'), name='delivery_unique'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('batch__isnull', True)), fields=['edition', 'id'], name='delivery_in_no_batch'),
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_pending',
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_claimed',
        ),
        migrations.RemoveIndex(
            model_name='delivery',
            name='delivery_ledger',
        ),
        migrations.RemoveField(
            model_name='delivery',
            name='attempts',
        ),
        migrations.RemoveField(
            model_name='delivery',
            name='claimed_at',
        ),
        migrations.RemoveField(
            model_name='delivery',
            name='retry_at',
        ),
        migrations.AlterField(
            model_name='delivery',
            name='audience',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='digest.audience'),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='edition',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='digest.edition'),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='reason',
            field=models.CharField(blank=True, choices=[('', '-'), ('paused', 'paused'), ('nothing_new', 'nothing on their topics'), ('unsubscribed', 'unsubscribed before it was sent'), ('merged', 'late, merged into the next digest'), ('refused', 'refused by the provider'), ('gave_up', 'given up after many tries'), ('dropped', 'dropped by an operator')], default='', max_length=12),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='state',
            field=models.CharField(choices=[('pending', 'Pending'), ('sent', 'Sent'), ('failed', 'Failed'), ('uncertain', 'Uncertain'), ('skipped', 'Skipped'), ('suppressed', 'Suppressed')], default='pending', max_length=10),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='subscriber',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deliveries', to='subscriptions.subscriber'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['pending', 'sent', 'uncertain']), _negated=True), ('batch__isnull', False), _connector='OR'), name='delivery_offered_in_a_batch'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['id'], name='batch_open'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(condition=models.Q(('state', 'claimed')), fields=['claimed_at'], name='batch_claimed'),
        ),
        migrations.AddIndex(
            model_name='batch',
            index=models.Index(condition=models.Q(('state', 'uncertain')), fields=['claimed_at'], name='batch_uncertain'),
        ),
    ]
