"""For websites: the snippet, the beacon that it sends, what it asks; links of mails, and the page of a survey."""

from flask import Flask

from api.website.beacon import take, take_by_image
from api.website.followed import follow_link
from api.website.routes import limit, routes
from api.website.script import script
from api.website.survey import answer_survey, ask_survey

# The views declare themselves on `routes` when their module is read.
VIEWS = (script, take, take_by_image, follow_link, ask_survey, answer_survey)


def register(app: Flask) -> None:
    """Add the routes of websites."""
    limit(app)
    app.register_blueprint(routes)
