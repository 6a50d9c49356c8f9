"""Code as something to run: projects, their environments, where they run, and running them again."""
