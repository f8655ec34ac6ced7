"""The blueprint that the pages hang on; kept apart so that they need not import each other."""

from apiflask import APIBlueprint

routes = APIBlueprint("pages", __name__, enable_openapi=False, template_folder="templates")
