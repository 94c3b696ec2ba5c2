"""What all parts of the rig are made with."""
