"""The one door to git: objects and refs in process, the rest by the git binary."""
