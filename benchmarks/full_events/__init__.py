"""The mapper on the poller's events, beside a bare loop on events with every attribute of the same employees."""
