"""Entities become text: tables, documents, fragments. No I/O but the progress bar's."""
