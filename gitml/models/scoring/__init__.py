"""Batch scoring of files, larger than the memory of a machine: in processes here, on Spark or on Ray."""
