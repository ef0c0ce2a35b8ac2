"""Plain torch modules and the functions that join them; nothing here knows about Lightning."""
