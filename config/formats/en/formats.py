"""How the desk writes dates and times: one style, and a time always with its zone.

Django reads these names (Format localization, "Creating custom format files").
"""

DATE_FORMAT = "M j, Y"
SHORT_DATE_FORMAT = "M j"
DATETIME_FORMAT = "M j, Y, H:i T"
SHORT_DATETIME_FORMAT = "M j, H:i T"
TIME_FORMAT = "H:i T"
