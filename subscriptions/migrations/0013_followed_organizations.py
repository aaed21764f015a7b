import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0012_unserved_readers'),
    ]

    operations = [
        migrations.CreateModel(
            name='FollowedOrganization',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('subscriber', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='organizations', to='subscriptions.subscriber')),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('subscriber'), django.db.models.functions.text.Lower('name'), name='followed_organization_unique')],
            },
        ),
    ]
