from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("digest", "0031_provider_plans"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='delivery',
            options={'permissions': [('settle_delivery', 'Can settle deliveries in doubt')], 'verbose_name_plural': 'deliveries'},
        ),
    ]
