from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0004_readers_in_slots'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='subscriber',
            name='subscriber_active_is_scheduled',
        ),
        migrations.RemoveIndex(
            model_name='subscriber',
            name='subscriber_due',
        ),
        migrations.RemoveField(
            model_name='subscriber',
            name='next_digest_at',
        ),
        migrations.AddIndex(
            model_name='subscriber',
            index=models.Index(condition=models.Q(('slot__isnull', False)), fields=['slot', 'selection_key', 'id'], name='subscriber_due'),
        ),
        migrations.AddConstraint(
            model_name='subscriber',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('confirmed_at__isnull', False), ('slot__isnull', False), ('state', 'active')), models.Q(models.Q(('state', 'active'), _negated=True), ('slot__isnull', True)), _connector='OR'), name='subscriber_active_is_scheduled'),
        ),
    ]
