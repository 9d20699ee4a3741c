"""A model as a whole: plain functions over what it answers to many rows."""
