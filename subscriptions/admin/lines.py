"""The field of a list of texts."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from .theme import Textarea


class LinesField(forms.CharField):
    """A list of texts, one a line: `most` of them, each `longest` characters long at most."""

    widget = Textarea

    def __init__(self, *, most: int = 500, longest: int = 200, **options: Any) -> None:
        super().__init__(**options)
        self.most, self.longest = most, longest

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        found = [" ".join(str(line).split()) for line in lines]
        return [line for line in found if line]

    def validate(self, value: Any) -> None:
        super().validate(value)
        if len(value) > self.most:
            raise ValidationError(f"These are {len(value):,} lines; {self.most:,} at most.")
        for number, line in enumerate(value, start=1):
            if len(line) > self.longest:
                raise ValidationError(
                    f"Line {number} has {len(line):,} characters; {self.longest} at most."
                )
            if line.startswith(("[", "{")):
                raise ValidationError(
                    f"Line {number} begins with “{line[0]}”: write one a line, without brackets."
                )

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))
