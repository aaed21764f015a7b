from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("digest", "0032_settle_permission"),
    ]

    operations = [
        migrations.AddField(
            model_name='batch',
            name='released_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
