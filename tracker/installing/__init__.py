"""Is a site's tag in place: look at its page as a stranger's browser would, and say what stands in the way."""
