"""Speech vendors as seen from their customer, with the offline engines behind their protocols."""
