"""Tables in files: read a batch at a time by what a signature says, and written so."""
