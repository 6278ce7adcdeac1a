"""Included by Celery's child of a campaign: importing it is what it is for."""

from tests.chaos import hooks

hooks.install()
