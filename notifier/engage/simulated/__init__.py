"""What stands behind the simulator: an enterprise with a life of its own, and the API's manners."""
