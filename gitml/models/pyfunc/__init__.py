"""`python_function`: any model as data in, predictions out; and models that are Python code."""
