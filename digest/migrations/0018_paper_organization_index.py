from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('digest', '0017_topic_corrections'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='paper',
            index=models.Index(condition=models.Q(('organization', ''), _negated=True), fields=['organization'], name='paper_organization'),
        ),
    ]
