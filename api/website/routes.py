"""The blueprint that the routes of websites hang on; kept apart so that they need not import each other."""

from apiflask import APIBlueprint

routes = APIBlueprint("website", __name__, enable_openapi=False)
