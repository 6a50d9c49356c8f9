python show.py "$@"
