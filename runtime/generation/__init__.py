"""Texts that go on: models that score the token to come next, asked again and again."""
