"""Turns a title into the part of a URL that names it."""


def slug(title):
    return title.lower().replace(" ", "_")
