"""What `manage.py doctor` looks at: each check is a function that yields findings and changes nothing.

`checks.py` has the list and runs it; the other modules have the checks, by what they look at.
"""
