from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0005_no_times_of_their_own'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscriber',
            name='soft_bounces',
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
