"""Recipes in words: comments, explanations, descriptions."""
