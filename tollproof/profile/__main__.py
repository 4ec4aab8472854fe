"""`python -m tollproof.profile` prints the JSON Schema of a profile."""

import sys

from tollproof.profile.schema import schema_text

sys.stdout.write(schema_text())
