"""Channels: what kind of marketing brought an arrival, by ordered, versioned rules that are data.

`rules.classify` names an arrival's source, medium, campaign, term and content and gives its channel, with
the name of the rule that decided. channels.toml holds the rules and aliases, sources.csv who stands behind a
host.
"""
