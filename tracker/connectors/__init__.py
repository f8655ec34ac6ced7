"""The way out to other people's machines: whom we connect to, and how one message is handed over."""
