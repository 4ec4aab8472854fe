"""Where the credentials of the run turn up, and other secrets."""
