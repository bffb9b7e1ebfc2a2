"""Files that are stored: whole or not at all, checked before anything in them is believed."""
