"""Mails: what stands in them, in the reader's language, and the work that sends those that are due."""

from flask import Blueprint, Flask

# Only its templates: nobody asks for a mail by HTTP.
templates = Blueprint("mail", __name__, template_folder="templates")


def register(app: Flask) -> None:
    """Let the application find the mails' templates."""
    app.register_blueprint(templates)
