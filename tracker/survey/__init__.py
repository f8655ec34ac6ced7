"""Surveys of how likely people are to recommend the company, and their answers."""
