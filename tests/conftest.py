"""What holds for every test: a property is judged by what it finds, not by a clock."""

from hypothesis import settings

settings.register_profile("tollproof", deadline=None, print_blob=True)
settings.load_profile("tollproof")
