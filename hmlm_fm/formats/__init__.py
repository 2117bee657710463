"""Files to and from networks and measurements."""
