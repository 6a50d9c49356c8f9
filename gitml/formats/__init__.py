"""Entities to bytes and back: pure functions, no files, no git.

Every byte gitml leaves in git or on disk is written and read here; the
specification is docs/format.md.
"""
