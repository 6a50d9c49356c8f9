"""What gitml talks about: frozen dataclasses, standard library only."""
