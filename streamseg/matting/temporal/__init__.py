"""The matte through time: filtered along the motion, smoothed with later frames, averaged with its neighbours."""
