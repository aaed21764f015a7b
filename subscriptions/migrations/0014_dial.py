from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0013_followed_organizations'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscriber',
            name='dial',
            field=models.PositiveSmallIntegerField(db_default=2, default=2),
        ),
        migrations.AddConstraint(
            model_name='subscriber',
            constraint=models.CheckConstraint(condition=models.Q(('dial__lte', 4)), name='subscriber_dial_steps'),
        ),
    ]
