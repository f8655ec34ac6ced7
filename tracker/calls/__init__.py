"""Phone calls: a site's pool of numbers, who was shown which of them when, and whose a call may be.

Pure rules in pool.py and match.py; numbers.py, leases.py and record.py keep the rows.
"""
