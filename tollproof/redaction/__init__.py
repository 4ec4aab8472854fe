"""What never reaches a result: the run's credentials, however they are written.

`forms` knows the shapes one credential can take, `views` undoes escapes in a text,
`redactor` looks the ones up in the other. None of them knows requests or reports.
"""

from tollproof.redaction.forms import Credential
from tollproof.redaction.redactor import Redactor

__all__ = ["Credential", "Redactor"]
